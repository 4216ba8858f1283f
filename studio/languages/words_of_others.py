"""Short words that `eval` and `trainer` give to the studio: headings, states, marks below a picture.

They are looked up where they are shown; noted here, they are in the catalogues. Their sentences stay English.
"""

from __future__ import annotations

from studio.languages.translation import noted

HEADINGS = (
    noted("standing"),
    noted("checkpoint"),
    noted("UNet"),
    noted("TEnc"),
    noted("also"),
    noted("guest's trigger"),
    noted("base"),
    noted("sampler"),
    noted("steps"),
    noted("CFG"),
    noted("identity"),
    noted("on new pictures"),
    noted("of the way"),
    noted("prompt"),
    noted("faces"),
    noted("extra faces"),
    noted("bleed"),
    noted("copy"),
    noted("spread"),
    noted("first again"),
    noted("unbeaten"),
    noted("second"),
)
STANDINGS = noted("first"), noted("as good"), noted("worse"), noted("cannot tell"), noted("limit")
ON_THE_TRADE_OFF = (
    noted("first row"),
    noted("no row beats it in both"),
    noted("beaten"),
    noted("over a limit"),
    noted("bleed (further left is better, below 0 counts as 0)"),
    noted("prompt (further right is better)"),
)
MARKS = noted("no face"), noted("failed"), noted("not made"), noted("damaged")
OTHERS = noted("other people"), noted("other subjects")
SEVERITIES = noted("Will fail"), noted("Mend first"), noted("Worth knowing")
STATES_OF_RUNS = noted("finished"), noted("failed"), noted("diverged"), noted("unfinished")
