"""The rules about faces, and what lies around them."""

from __future__ import annotations

from foundation.wording.said import say
from trainer.checking.findings import Group, Severity
from trainer.checking.rules.rule import STORY, Rule

FACES, ERROR, MEND, NOTE = Group.FACES, Severity.ERROR, Severity.MEND, Severity.NOTE
WHO = "docs/scoring.md, Who is in the folders"

NO_FACE = Rule(
    "no_face",
    FACES,
    MEND,
    say("no face is found"),
    say("replace it; where a face is to be seen, name another face pack"),
    STORY,
)
NO_FACES = Rule(
    "no_faces",
    FACES,
    MEND,
    say("no face is found in most pictures"),
    say(
        "name a face pack for such pictures (--faces buffalo_l or opencv:FOLDER for photographs); of a subject without "
        "a face: --faces none"
    ),
    WHO,
)
SEVERAL_FACES = Rule(
    "several_faces",
    FACES,
    MEND,
    say("several faces of similar size: who is learned is left to chance"),
    say("cut the others off"),
    STORY,
    "faces.rivals",
)
SMALL_FACE = Rule(
    "small_face",
    FACES,
    MEND,
    say("the face is too small to be learned"),
    say("crop it closer"),
    STORY,
    "faces.small",
)
FACE_AT_EDGE = Rule(
    "face_at_edge",
    FACES,
    MEND,
    say("the face is cut off by the picture's edge"),
    say("replace it by a whole face"),
    STORY,
    "faces.edge",
)
NO_SHOULDERS = Rule(
    "no_shoulders",
    FACES,
    NOTE,
    say("a face without shoulders"),
    say("let most pictures show head to shoulders"),
    STORY,
    "faces.below_chin",
)
SIDE_VIEW = Rule(
    "side_view",
    FACES,
    NOTE,
    say("seen from the side"),
    say("keep side views few"),
    STORY,
    "faces.side_view",
)
SIDE_VIEWS = Rule(
    "many_side_views",
    FACES,
    MEND,
    say("many side views"),
    say("add pictures from the front, or leave side views out"),
    STORY,
    "faces.side_views",
)
FAR_VIEWS = Rule(
    "many_far_views",
    FACES,
    MEND,
    say("many pictures of half or all of the body"),
    say("keep them to 5-10 % of the set; crop some to head and shoulders"),
    STORY,
    "faces.far_views",
)
OTHER_PERSON = Rule(
    "other_person",
    FACES,
    MEND,
    say("somebody else, or hardly to be recognised"),
    say("move it out"),
    WHO,
)
SEVERAL_PEOPLE = Rule(
    "several_people",
    FACES,
    ERROR,
    say("the training pictures show several people"),
    say("leave only the subject's pictures there"),
    WHO,
)
OTHER_REFERENCE = Rule(
    "other_reference",
    FACES,
    MEND,
    say("a reference of somebody else"),
    say("move it out"),
    WHO,
)
ONE_LOOK = Rule(
    "one_look",
    FACES,
    MEND,
    say("the faces look as if retouched to one: one expression, one angle, one light"),
    say("use pictures as they were taken, of more moods and light"),
    STORY,
    "faces.one_look",
)
NO_LEFT = Rule(
    "no_left",
    FACES,
    NOTE,
    say("no picture from the left, though some are from the right"),
    say("add one or two, or set flip_aug if the face is even"),
    STORY,
    "faces.angle",
)
NO_RIGHT = Rule(
    "no_right",
    FACES,
    NOTE,
    say("no picture from the right, though some are from the left"),
    say("add one or two, or set flip_aug if the face is even"),
    STORY,
    "faces.angle",
)
ONE_ANGLE = Rule(
    "one_angle",
    FACES,
    NOTE,
    say("all faces look straight ahead"),
    say("add a few that are turned a little"),
    STORY,
    "faces.angle",
)
ONE_EXPRESSION = Rule(
    "one_expression",
    FACES,
    NOTE,
    say("the captions know one expression alone"),
    say("add pictures of other moods"),
    STORY,
)
ONE_LIGHT = Rule(
    "one_light",
    FACES,
    NOTE,
    say("all faces are in the same light"),
    say("add pictures in other light"),
    STORY,
)
BUSY = Rule(
    "busy_background",
    Group.BACKGROUND,
    NOTE,
    say("a busy background"),
    say("say in the caption what is there"),
    STORY,
    "background.busy",
)
MOSTLY_BUSY = Rule(
    "mostly_busy",
    Group.BACKGROUND,
    MEND,
    say("most backgrounds are busy"),
    say("add pictures before a plain wall, and say in captions what is there"),
    STORY,
    "background.busy_pictures",
)
SAME_BACKGROUND = Rule(
    "same_background",
    Group.BACKGROUND,
    MEND,
    say("the same background in most pictures: it is learned with the subject"),
    say("take pictures elsewhere, or say the background in every caption"),
    STORY,
    "background.same_pictures",
)

ROWS = (
    NO_FACE, NO_FACES, SEVERAL_FACES, SMALL_FACE, FACE_AT_EDGE, NO_SHOULDERS, SIDE_VIEW, SIDE_VIEWS, FAR_VIEWS,
    OTHER_PERSON, SEVERAL_PEOPLE, OTHER_REFERENCE, ONE_LOOK, NO_LEFT, NO_RIGHT, ONE_ANGLE, ONE_EXPRESSION, ONE_LIGHT,
)  # fmt: skip
BACKGROUND_ROWS = (BUSY, MOSTLY_BUSY, SAME_BACKGROUND)
