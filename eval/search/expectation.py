"""What a search expects to cost and to be able to tell, said before it renders."""

from __future__ import annotations

import math

from eval.search.schedule import Course
from eval.statistics import Z_95, Z_POWER_80

# The SD of a paired difference of identities that SD 1.5 grids show; the miniature's is smaller.
ASSUMED_SD = 0.14


def tells_apart(units: int, sd: float = ASSUMED_SD) -> float:
    """The difference that so many pairs show at 95 % with 80 % power."""
    return (Z_95 + Z_POWER_80) * sd / math.sqrt(units)


def course_in_words(course: Course, prompts: int, bleed_units: int, seconds_a_picture: float | None) -> str:
    """Rounds, pictures, time where the speed is known, and the difference that finalists may be told apart by."""
    units = course.confirm_from(prompts) + course.confirm_units
    beside = units + 2 * bleed_units + (course.finalists + last_cut(course)) * bleed_units
    share = course.pictures / (course.arms * units)
    rounds = ", ".join(
        f"{one.arms} cells x {'1 of ' if one.dealt else ''}{one.units} (prompt, seed) pairs" for one in course.rounds
    )
    pictures = course.pictures + beside
    time = f", about {duration(pictures * seconds_a_picture)}" if seconds_a_picture else ""
    return (
        f"{course.arms} cells: at most {course.pictures} pictures ({100 * share:.0f} % of every cell on every pair) "
        f"and {beside} of the base model and of others{time}; those that are there are not made again.\n"
        f"Rounds: {rounds or 'none, so few cells are all finalists'}; then {course.finalists} finalists x "
        f"{course.confirm_units} fresh pairs. Finalists {tells_apart(course.confirm_units):.3f} apart will be told "
        f"apart in 4 of 5 searches (at a paired SD of {ASSUMED_SD})."
    )


def race_in_words(course: Course, units: int, seconds_a_picture: float | None) -> str:
    """The most that a race may cost, and what it certifies."""
    pictures = course.arms * units + course.finalists * course.confirm_units
    time = f", about {duration(pictures * seconds_a_picture)}" if seconds_a_picture else ""
    return (
        f"{course.arms} cells race over up to {units} (prompt, seed) pairs each: at most {pictures} pictures{time}, "
        "a third to a half of that where cells differ; a cell goes when it is surely behind. Then up to "
        f"{course.finalists} finalists x {course.confirm_units} fresh pairs."
    )


def refinement_in_words(trials: int, units: int, seconds_a_picture: float | None) -> str:
    """The most that trying weights between the grid's may cost."""
    time = f", about {duration(trials * units * seconds_a_picture)}" if seconds_a_picture else ""
    return f"Weights between the grid's: {trials} cells x {units} pairs around the best finalist{time}."


def last_cut(course: Course) -> int:
    """How many arms are shown bleed prompts before the last cut."""
    return course.rounds[-1].arms if course.rounds else 0


def duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 90 else f"{max(1, minutes)} min"
