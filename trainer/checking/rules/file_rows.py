"""The rules about files and folders."""

from __future__ import annotations

from trainer.checking.findings import Group, Severity
from trainer.checking.rules.rule import KOHYA, OURS, STORY, Rule

FILES, ERROR, MEND, NOTE = Group.FILES, Severity.ERROR, Severity.MEND, Severity.NOTE

FOLDER_SKIPPED = Rule(
    "folder_skipped",
    FILES,
    ERROR,
    "kohya skips folders of this name, and training here stops at them",
    "name it like `10_ohwx woman` (repeats, underscore, class words), or move it out",
    KOHYA,
)
FOLDER_EMPTY = Rule(
    "folder_empty",
    FILES,
    ERROR,
    "a folder without pictures",
    "put pictures there, or remove the folder",
    OURS,
)
FOLDER_UNREADABLE = Rule(
    "folder_unreadable",
    FILES,
    ERROR,
    "a folder that cannot be read",
    "allow it to this user",
    OURS,
)
NESTED = Rule(
    "nested_pictures",
    FILES,
    MEND,
    "pictures in a folder below are read by nobody",
    "move them up, or name their folder like kohya's, beside the others",
    KOHYA,
)
LOOSE = Rule(
    "loose_pictures",
    FILES,
    ERROR,
    "pictures beside the folders instead of in them",
    "move them into a folder named like `10_ohwx woman`",
    KOHYA,
)
UNSEEN = Rule(
    "unseen_picture",
    FILES,
    MEND,
    "a picture of a kind that is not read",
    "save it as .png or .jpg",
    KOHYA,
)
UNREADABLE = Rule(
    "unreadable_picture",
    FILES,
    ERROR,
    "a picture that cannot be read",
    "replace or remove it",
    OURS,
)
ODD_SIZE = Rule(
    "impossible_size",
    FILES,
    ERROR,
    "a picture of a size that no memory holds, or that is a line",
    "make it smaller, crop or remove it",
    OURS,
)
LONG = Rule(
    "long_picture",
    FILES,
    MEND,
    "a strip: buckets cut off or squeeze much of it",
    "crop it",
    OURS,
    "files.aspect",
)
TURNED = Rule(
    "turned",
    FILES,
    NOTE,
    "upright only by its EXIF tag: here it is read so, in kohya's trainer it may lie on its side",
    "save it upright (`trainer prepare` does)",
    KOHYA,
)
TRANSPARENT = Rule(
    "transparent",
    FILES,
    MEND,
    "transparent parts: here they become white, kohya learns the colour beneath them",
    "lay it over the background that you mean",
    OURS,
)
GREY = Rule(
    "grey_picture",
    FILES,
    MEND,
    "without colour, in a set of colour pictures: the subject learns to be grey",
    "replace it, or say `monochrome` in its caption",
    STORY,
)
DEEP = Rule(
    "deep_picture",
    FILES,
    NOTE,
    "sixteen bits a channel: other trainers read it as white",
    "save it with eight bits",
    OURS,
)
ANIMATED = Rule(
    "animated",
    FILES,
    MEND,
    "it moves: the first frame alone is read",
    "save the frame that you mean",
    OURS,
)
SAME_FILE = Rule(
    "same_file",
    FILES,
    MEND,
    "the same file twice",
    "remove one, or raise its folder's repeats",
    STORY,
)
NEAR_SAME = Rule(
    "near_same",
    FILES,
    MEND,
    "one picture twice, changed a little (cropped, mirrored, recompressed or brightened)",
    "keep the best of them",
    STORY,
)
REFERENCE_TRAINED = Rule(
    "reference_trained",
    FILES,
    MEND,
    "a reference that is trained on proves nothing",
    "move it out of one of the two folders",
    "docs/scoring.md, Who is in the folders",
)
TWIN_REFERENCES = Rule(
    "twin_references",
    FILES,
    NOTE,
    "one picture several times among the references",
    "keep one of them",
    "docs/scoring.md, Who is in the folders",
)
CAPTION_ALONE = Rule(
    "caption_alone",
    FILES,
    MEND,
    "a caption of no picture",
    "name it as its picture is named, or remove it",
    KOHYA,
)
NO_CAPTION = Rule(
    "no_caption",
    FILES,
    MEND,
    "a picture without a caption: it is learned by its folder's class words alone",
    "write one beside it (`trainer caption` begins)",
    KOHYA,
)
NO_CAPTIONS = Rule(
    "no_captions",
    FILES,
    MEND,
    "no picture has a caption: all is learned as part of the subject",
    "write captions (`trainer caption` begins)",
    STORY,
)
SHARED_CAPTION = Rule(
    "shared_caption",
    FILES,
    ERROR,
    "one caption of two pictures",
    "give one of them another name and its own caption",
    KOHYA,
)
TWO_CAPTIONS = Rule(
    "two_captions",
    FILES,
    ERROR,
    "two captions of one picture",
    "keep one",
    OURS,
)
CAPTION_CAPITALS = Rule(
    "caption_capitals",
    FILES,
    NOTE,
    "a caption whose name ends in capitals: kohya passes over it",
    "rename it",
    KOHYA,
)

ROWS = (
    FOLDER_SKIPPED, FOLDER_EMPTY, FOLDER_UNREADABLE, NESTED, LOOSE, UNSEEN, UNREADABLE, ODD_SIZE, LONG, TURNED,
    TRANSPARENT, GREY, DEEP, ANIMATED, SAME_FILE, NEAR_SAME, REFERENCE_TRAINED, TWIN_REFERENCES, CAPTION_ALONE,
    NO_CAPTION, NO_CAPTIONS, SHARED_CAPTION, TWO_CAPTIONS, CAPTION_CAPITALS,
)  # fmt: skip
