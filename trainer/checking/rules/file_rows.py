"""The rules about files and folders."""

from __future__ import annotations

from foundation.wording.said import say
from trainer.checking.findings import Group, Severity
from trainer.checking.rules.rule import KOHYA, OURS, STORY, Rule

FILES, ERROR, MEND, NOTE = Group.FILES, Severity.ERROR, Severity.MEND, Severity.NOTE

FOLDER_SKIPPED = Rule(
    "folder_skipped",
    FILES,
    ERROR,
    say("kohya skips folders of this name, and training here stops at them"),
    say("name it like `10_ohwx woman` (repeats, underscore, class words), or move it out"),
    KOHYA,
)
FOLDER_EMPTY = Rule(
    "folder_empty",
    FILES,
    ERROR,
    say("a folder without pictures"),
    say("put pictures there, or remove the folder"),
    OURS,
)
FOLDER_UNREADABLE = Rule(
    "folder_unreadable",
    FILES,
    ERROR,
    say("a folder that cannot be read"),
    say("allow it to this user"),
    OURS,
)
NESTED = Rule(
    "nested_pictures",
    FILES,
    MEND,
    say("pictures in a folder below are read by nobody"),
    say("move them up, or name their folder like kohya's, beside the others"),
    KOHYA,
)
LOOSE = Rule(
    "loose_pictures",
    FILES,
    ERROR,
    say("pictures beside the folders instead of in them"),
    say("move them into a folder named like `10_ohwx woman`"),
    KOHYA,
)
UNSEEN = Rule(
    "unseen_picture",
    FILES,
    MEND,
    say("a picture of a kind that is not read"),
    say("save it as .png or .jpg"),
    KOHYA,
)
UNREADABLE = Rule(
    "unreadable_picture",
    FILES,
    ERROR,
    say("a picture that cannot be read"),
    say("replace or remove it"),
    OURS,
)
ODD_SIZE = Rule(
    "impossible_size",
    FILES,
    ERROR,
    say("a picture of a size that no memory holds, or that is a line"),
    say("make it smaller, crop or remove it"),
    OURS,
)
LONG = Rule(
    "long_picture",
    FILES,
    MEND,
    say("a strip: buckets cut off or squeeze much of it"),
    say("crop it"),
    OURS,
    "files.aspect",
)
TURNED = Rule(
    "turned",
    FILES,
    NOTE,
    say("upright only by its EXIF tag: here it is read so, in kohya's trainer it may lie on its side"),
    say("save it upright (`trainer prepare` does)"),
    KOHYA,
)
TRANSPARENT = Rule(
    "transparent",
    FILES,
    MEND,
    say("transparent parts: here they become white, kohya learns the colour beneath them"),
    say("lay it over the background that you mean"),
    OURS,
)
GREY = Rule(
    "grey_picture",
    FILES,
    MEND,
    say("without colour, in a set of colour pictures: the subject learns to be grey"),
    say("replace it, or say `monochrome` in its caption"),
    STORY,
)
DEEP = Rule(
    "deep_picture",
    FILES,
    NOTE,
    say("sixteen bits a channel: other trainers read it as white"),
    say("save it with eight bits"),
    OURS,
)
ANIMATED = Rule(
    "animated",
    FILES,
    MEND,
    say("it moves: the first frame alone is read"),
    say("save the frame that you mean"),
    OURS,
)
SAME_FILE = Rule(
    "same_file",
    FILES,
    MEND,
    say("the same file twice"),
    say("remove one, or raise its folder's repeats"),
    STORY,
)
NEAR_SAME = Rule(
    "near_same",
    FILES,
    MEND,
    say("one picture twice, changed a little (cropped, mirrored, recompressed or brightened)"),
    say("keep the best of them"),
    STORY,
)
REFERENCE_TRAINED = Rule(
    "reference_trained",
    FILES,
    MEND,
    say("a reference that is trained on proves nothing"),
    say("move it out of one of the two folders"),
    say("docs/scoring.md, Who is in the folders"),
)
TWIN_REFERENCES = Rule(
    "twin_references",
    FILES,
    NOTE,
    say("one picture several times among the references"),
    say("keep one of them"),
    say("docs/scoring.md, Who is in the folders"),
)
CAPTION_ALONE = Rule(
    "caption_alone",
    FILES,
    MEND,
    say("a caption of no picture"),
    say("name it as its picture is named, or remove it"),
    KOHYA,
)
NO_CAPTION = Rule(
    "no_caption",
    FILES,
    MEND,
    say("a picture without a caption: it is learned by its folder's class words alone"),
    say("write one beside it (`trainer caption` begins)"),
    KOHYA,
)
NO_CAPTIONS = Rule(
    "no_captions",
    FILES,
    MEND,
    say("no picture has a caption: all is learned as part of the subject"),
    say("write captions (`trainer caption` begins)"),
    STORY,
)
SHARED_CAPTION = Rule(
    "shared_caption",
    FILES,
    ERROR,
    say("one caption of two pictures"),
    say("give one of them another name and its own caption"),
    KOHYA,
)
TWO_CAPTIONS = Rule(
    "two_captions",
    FILES,
    ERROR,
    say("two captions of one picture"),
    say("keep one"),
    OURS,
)
CAPTION_CAPITALS = Rule(
    "caption_capitals",
    FILES,
    NOTE,
    say("a caption whose name ends in capitals: kohya passes over it"),
    say("rename it"),
    KOHYA,
)

ROWS = (
    FOLDER_SKIPPED, FOLDER_EMPTY, FOLDER_UNREADABLE, NESTED, LOOSE, UNSEEN, UNREADABLE, ODD_SIZE, LONG, TURNED,
    TRANSPARENT, GREY, DEEP, ANIMATED, SAME_FILE, NEAR_SAME, REFERENCE_TRAINED, TWIN_REFERENCES, CAPTION_ALONE,
    NO_CAPTION, NO_CAPTIONS, SHARED_CAPTION, TWO_CAPTIONS, CAPTION_CAPITALS,
)  # fmt: skip
