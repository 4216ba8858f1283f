"""The studio's entry: `streamlit run studio`, or `streamlit run studio -- STORE...`. Wiring only.

The server reads this file once for its routes (`app`), and then runs it for each visitor and click to draw the page.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from foundation.errors import UserError
from studio.serving.picture_route import picture_route
from studio.shared.notices import show_no_store, show_problem
from studio.shared.session import choose_store, open_store_once


def show() -> None:
    """Draw the page that is asked for."""
    st.set_page_config(page_title="LoRA studio", layout="wide")
    # No icons here: Streamlit makes a page's icon the tab's, and fetches it from Google's servers.
    runs = st.Page("training_runs/runs_page.py", title="Runs")
    blending = st.Page("weight_blending/blending_page.py", title="Blend")
    page = st.navigation(
        [
            st.Page("ranking/ranking_page.py", title="Ranking", default=True),
            st.Page("picture_wall/wall_page.py", title="Grid"),
            st.Page("comparing/comparing_page.py", title="Pictures"),
            st.Page("voting/voting_page.py", title="Vote"),
            st.Page("exporting/export_page.py", title="Export"),
            blending,
            runs,
        ]
    )
    folder = choose_store()
    if page in (runs, blending):  # which need no store
        page.run()
    elif folder is None:
        show_no_store()
    else:
        try:
            open_store_once(folder)
            page.run()
        except UserError as problem:
            show_problem(problem, folder)


if get_script_run_ctx(suppress_warning=True) is None:
    app = st.App(Path(__file__).resolve(), routes=[picture_route(lambda: st.get_option("server.allowedHosts"))])
else:
    show()
