"""A thousand nodes: the order and the caps hold, and nobody waits for the decision."""

import pytest

from tests.e2e.objects import Site

POOL = 500


@pytest.mark.timeout(180)
def test_a_thousand_nodes_keep_order_and_max(site: Site) -> None:
    """E5, O1, O2: the first 40 go to the data centre, the rest to the cloud."""
    site.add_nodes("dc", POOL)
    site.add_nodes("cloud", POOL)
    site.create_policy(site.unit("dc", max=40), site.unit("cloud"), selector={"app": "governed"})
    names = [f"p{i}" for i in range(60)]
    site.create_pods(*names, labels={"app": "governed"})
    where = site.placed(*names)
    assert [where[name] for name in names] == ["dc"] * 40 + ["cloud"] * 20
