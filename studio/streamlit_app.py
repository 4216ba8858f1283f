"""The studio's entry: `streamlit run studio`, or `streamlit run studio -- STORE...`. Wiring only.

The server reads this file once for its routes (`app`), and then runs it for each visitor and click to draw the page.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from streamlit.runtime.scriptrunner import get_script_run_ctx

from foundation.errors import UserError
from studio.languages.translation import speak, tr
from studio.serving.picture_route import picture_route
from studio.serving.read_ahead import read_ahead
from studio.serving.undelayed_answers import answer_undelayed
from studio.shared.closed_server import TOKEN, ClosedServer, refuse_open_door
from studio.shared.notices import show_no_store, show_problem
from studio.shared.session import ask_language, choose_store, chosen_language, open_store_once

# Streamlit writes white on the primary colour. In the dark that is light, for words of that colour are to be read too.
ON_PRIMARY = """<style>
[data-testid^=stBaseButton-primary], [data-tag-index], [data-tag-index] * {
  color: light-dark(white, black) !important;
}
</style>"""


def show() -> None:
    """Draw the page that is asked for."""
    speak(chosen_language())
    st.html(ON_PRIMARY)
    # No icons here: Streamlit makes a page's icon the tab's, and fetches it from Google's servers.
    without_store = [
        st.Page("home/home_page.py", title=tr("Home"), default=True),
        st.Page("data/data_page.py", title=tr("Data")),
        st.Page("jobs/jobs_page.py", title=tr("Jobs")),
        st.Page("training_runs/runs_page.py", title=tr("Runs")),
        st.Page("weight_blending/blending_page.py", title=tr("Blend")),
    ]
    of_a_store = [
        st.Page("ranking/ranking_page.py", title=tr("Ranking")),
        st.Page("picture_wall/wall_page.py", title=tr("Grid")),
        st.Page("comparing/comparing_page.py", title=tr("Pictures")),
        st.Page("voting/voting_page.py", title=tr("Vote")),
        st.Page("exporting/export_page.py", title=tr("Export")),
    ]
    page = st.navigation({tr("Make"): without_store, tr("Choose"): of_a_store})
    # What the browser's tab and its history say.
    st.set_page_config(page_title=f"{page.title} · LoRA studio", layout="wide")
    ask_language()
    folder = None
    try:
        folder = choose_store()
        if page in of_a_store and folder is None:
            show_no_store()
        elif page in of_a_store and folder is not None:
            open_store_once(folder)
            page.run()
    except UserError as problem:
        show_problem(problem, folder)
    if page in without_store:
        page.run()


if get_script_run_ctx(suppress_warning=True) is None:
    refuse_open_door(st.get_option("server.address"), os.environ)
    names = partial(st.get_option, "server.allowedHosts")
    origins = partial(st.get_option, "server.corsAllowedOrigins")
    door = Middleware(ClosedServer, names=names, token=os.environ.get(TOKEN, ""), origins=origins)
    answer_undelayed()
    read_ahead()
    app = st.App(Path(__file__).resolve(), routes=[picture_route()], middleware=[door])
else:
    show()
