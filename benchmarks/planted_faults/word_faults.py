"""Planted faults of captions and of reg pictures."""

from __future__ import annotations

import shutil

from PIL import Image

from planted_faults.good_sets import REG, person, thing
from planted_faults.planting import PEOPLE, Bench, Expected, Fault, captioned, opened, saved, say


def _no_text(bench: Bench) -> Expected:
    one = bench.one().with_suffix(".txt")
    one.write_bytes(
        bench.rng.choice(["ohwx person, 一张照片".encode("gbk"), b"ohwx person \xff\xfe\x80 smiling", b"\x89PNG\r\n\0"])
    )
    return [("caption_no_text", one)]


def _not_utf8(bench: Bench) -> Expected:
    one = bench.one().with_suffix(".txt")
    one.write_bytes(one.read_text(encoding="utf-8").encode(bench.rng.choice(["utf-16", "utf-32"])))
    return [("caption_not_utf8", one)]


def _empty(bench: Bench) -> Expected:
    one = bench.one().with_suffix(".txt")
    one.write_text(bench.rng.choice(["", "\n\n", "  \nsecond line"]), encoding="utf-8")
    return [("empty_caption", one)]


def _long(bench: Bench) -> Expected:
    one = bench.one()
    say(
        one,
        captioned(one)
        + ", "
        + ", ".join(f"detail number {number}" for number in range(bench.rng.choice([24, 60, 90]))),
    )
    return [("long_caption", one)]


def _no_trigger(bench: Bench) -> Expected:
    one = bench.one()
    say(one, captioned(one).replace("ohwx ", ""))
    return [("no_trigger", one)]


def _never(bench: Bench) -> Expected:
    for path in bench.good.pictures():
        say(path, captioned(path).replace("ohwx ", ""))
    return [("never_trigger", None)]


def _part(bench: Bench) -> Expected:
    one = bench.one()
    say(one, captioned(one).replace("ohwx ", bench.rng.choice(["ohwxx ", "myohwx "])))
    return [("trigger_in_part", one)]


def _also(bench: Bench) -> Expected:
    one = bench.one()
    say(one, captioned(one) + bench.rng.choice([", a woman", ", the actress", ", a young man"]))
    return [("also_named", one)]


def _no_class(bench: Bench) -> Expected:
    one = bench.one()
    say(one, captioned(one).replace("ohwx person", "ohwx").replace("ohwx robot", "ohwx"))
    return [("no_class_word", one)]


def _named(bench: Bench) -> Expected:
    one = bench.one()
    say(one, captioned(one) + bench.rng.choice([", like Emma Watson", ", Tom Hanks hair", ", called Marilyn"]))
    return [("person_named", one)]


def _invented(bench: Bench) -> Expected:
    one = bench.one()
    say(one, captioned(one) + bench.rng.choice([", take a cell phone", ", holding a cell phone", ", a nintendo wii"]))
    return [("invented", one)]


def _without(bench: Bench, topic: str) -> Expected:
    one = bench.one()
    scene = bench.good.scenes[int(one.stem)]
    parts = scene.words()
    kept = {"expression": parts[2:], "gaze": [parts[0], *parts[2:]], "background": parts[:-1]}[topic]
    own = {"expression": ["looking at viewer"], "gaze": ["smiling"], "background": []}[topic]
    say(one, ", ".join(["photo of a ohwx person", *own, *kept]))
    return [(f"unsaid_{topic}", one)]


def _without_all(bench: Bench, topic: str) -> Expected:
    for path in bench.good.pictures():
        words = [part.strip() for part in captioned(path).split(",")]
        kept = {"expression": [*words[:1], "looking at viewer", *words[3:]], "background": words[:-1]}[topic]
        say(path, ", ".join([*kept, f"no {path.stem}"]))
    return [(f"mostly_unsaid_{topic}", None)]


def _identical(bench: Bench) -> Expected:
    chosen = bench.take(5)
    for path in chosen:
        say(path, captioned(chosen[0]))
    return [("identical_captions", chosen[0])]


def _same(bench: Bench) -> Expected:
    one, other = bench.take(2)
    say(other, captioned(one))
    return [("same_caption", other)]


def _reg_thing(bench: Bench) -> Expected:
    one = sorted(bench.good.reg.glob("*.png"))[2]
    saved(thing(f"landscape reg {bench.rng.random()}").resize((bench.good.side,) * 2, Image.Resampling.BOX), one)
    return [("reg_wrong_class", one)]


def _reg_subject(bench: Bench) -> Expected:
    one = sorted(bench.good.reg.glob("*.png"))[1]
    assert bench.good.identity is not None
    scene = bench.good.scenes[-1]
    saved(person(bench.good.identity, scene, bench.good.side).transpose(Image.Transpose.FLIP_LEFT_RIGHT), one)
    return [("reg_is_subject", one)]


def _reg_train(bench: Bench) -> Expected:
    one, reg = bench.one(), sorted(bench.good.reg.glob("*.png"))[3]
    shutil.copy(one, reg)
    return [("reg_is_train", reg)]


def _reg_twins(bench: Bench) -> Expected:
    one, other = sorted(bench.good.reg.glob("*.png"))[4:6]
    shutil.copy(one, other)
    return [("reg_twins", other)]


def _reg_few(bench: Bench) -> Expected:
    for path in sorted(bench.good.reg.glob("*.png"))[6:]:
        path.unlink()
        path.with_suffix(".txt").unlink()
    return [("reg_few", None)]


def _reg_unused(bench: Bench) -> Expected:
    """More than twelve epochs show: of a set whose training pictures are few and shown once."""
    for path in bench.good.pictures()[2:]:
        path.unlink()
        path.with_suffix(".txt").unlink()
    bench.good.train.rename(bench.good.train.with_name(bench.good.train.name.replace("5_", "1_")))
    return [("reg_unused", None)]


def _reg_small(bench: Bench) -> Expected:
    one = sorted(bench.good.reg.glob("*.png"))[0]
    picture = opened(one)
    saved(picture.resize((picture.width * 5 // 8,) * 2, Image.Resampling.LANCZOS), one)
    return [("reg_enlarged", one)]


def _reg_trigger(bench: Bench) -> Expected:
    one = sorted(bench.good.reg.glob("*.png"))[REG - 1]
    say(one, "ohwx " + captioned(one))
    return [("reg_has_trigger", one)]


FAULTS = (
    Fault("no text", _no_text, brings=("no_caption",)),
    Fault("saved as UTF-16", _not_utf8),
    Fault("empty caption", _empty, brings=("no_caption",)),
    Fault("long caption", _long),
    Fault("no trigger", _no_trigger),
    Fault("never the trigger", _never, alone=True),
    Fault("trigger in part", _part),
    Fault("also named", _also),
    Fault("no class word", _no_class),
    Fault("a name", _named),
    Fault("invented", _invented),
    Fault("no expression", lambda bench: _without(bench, "expression"), kinds=PEOPLE, brings=("same_caption",)),
    Fault("no gaze", lambda bench: _without(bench, "gaze"), kinds=PEOPLE, brings=("same_caption",)),
    Fault("no background", lambda bench: _without(bench, "background"), kinds=PEOPLE, brings=("same_caption",)),
    Fault("expressions unsaid", lambda bench: _without_all(bench, "expression"), kinds=PEOPLE, alone=True),
    Fault("backgrounds unsaid", lambda bench: _without_all(bench, "background"), kinds=PEOPLE, alone=True),
    Fault("identical captions", _identical),
    Fault("two captions alike", _same),
    Fault("reg of another class", _reg_thing, kinds=PEOPLE),
    Fault("reg of the subject", _reg_subject, kinds=PEOPLE, brings=("reg_is_train",)),
    Fault("reg trained on", _reg_train, brings=("reg_is_subject",)),
    Fault("reg twice", _reg_twins),
    Fault("few reg", _reg_few, alone=True),
    Fault("reg never used", _reg_unused, alone=True),
    Fault("reg too small", _reg_small, brings=("reg_wrong_class",)),
    Fault("reg with trigger", _reg_trigger),
)
