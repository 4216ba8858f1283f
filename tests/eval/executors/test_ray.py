"""Ray on one machine: two nodes make the bits of one process, and one that is killed loses nothing."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from eval.executors.ray_cluster import RayCluster
from eval.executors.ray_connection import RayError, check_address, close_to_others, connect
from executor_jobs import Example, example, ids_of

NODE: dict[str, Any] = {"object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return example(tmp_path_factory.mktemp("ray"), seeds=8)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head without processors and two nodes with one each; Ray is gone afterwards, whatever happens."""
    # A worker finds our code and the tests' as this process does.
    os.environ["PYTHONPATH"] = os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])
    os.environ["RAY_raylet_start_wait_time_s"] = "120"  # noqa: SIM112 (Ray's own spelling)
    started = None
    try:
        started = Cluster(
            initialize_head=True,
            head_node_args={**NODE, "num_cpus": 0, "include_dashboard": False},
        )
        for _ in range(2):
            started.add_node(num_cpus=1, **NODE)
        ray.init(address=started.address, log_to_driver=False)
        yield started
    finally:
        ray.shutdown()
        if started is not None:
            started.shutdown()


def test_two_nodes_make_the_bits_of_one_process_and_whoever_is_killed_loses_nothing(
    made: Example, cluster: Any
) -> None:
    """A worker that is killed before it begins is replaced; then a node goes while the first batches are drawn."""
    executor = RayCluster(made.job("nodes"))
    (name, first), *_ = executor._hired.items()  # pyright: ignore[reportPrivateUsage]
    ray.kill(first.actor)
    assert executor.device().kind == "cpu"
    assert name not in executor._hired  # pyright: ignore[reportPrivateUsage]
    assert executor.workers == 2
    finished = []
    for one in executor.run(made.batches, made.amount):
        if not finished:
            cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
        finished.append(one)
    assert sorted(ids_of(finished)) == sorted(made.alone)
    assert made.pictures("nodes") == made.alone


def test_an_unreachable_head_is_one_clear_message() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(RayError, match=f"127.0.0.1:{port}: no Ray head answers there"):
        connect(f"127.0.0.1:{port}")


def test_what_listens_but_is_no_head_is_told() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        with pytest.raises(RayError, match="does not answer as a Ray head"):
            check_address(f"127.0.0.1:{listening.getsockname()[1]}")


def test_what_is_no_address_is_said() -> None:
    with pytest.raises(RayError, match="write host:port"):
        check_address("ray://head:10001")


def test_a_token_is_needed_off_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    with socket.socket() as listening:
        listening.bind(("0.0.0.0", 0))
        listening.listen()
        own = ray.util.get_node_ip_address()
        if own.startswith("127."):
            pytest.skip("this machine has no address but loopback")
        with pytest.raises(RayError, match="no token is set"):
            check_address(f"{own}:{listening.getsockname()[1]}")


def test_a_cluster_that_starts_here_has_a_token_of_its_own_and_what_is_set_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    made = set[str]()
    for _ in range(2):
        for name in names:
            monkeypatch.setenv(name, "")  # so that what is set here is taken back
            monkeypatch.delenv(name)
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, "ray")
            close_to_others()
        assert os.environ["RAY_AUTH_MODE"] == "token"
        made.add(os.environ["RAY_AUTH_TOKEN"])
    assert len(made) == 2
    assert min(map(len, made)) >= 32

    for name in names:
        monkeypatch.setenv(name, "mine")
    close_to_others()
    assert [os.environ[name] for name in names] == ["mine"] * 3
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    close_to_others()
    assert "RAY_AUTH_TOKEN" not in os.environ
