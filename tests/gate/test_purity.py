from __future__ import annotations

from tests import test_house_rules as house


def test_the_gate_decides_by_facts_alone() -> None:
    """Nothing that it imports reads or asks anything."""
    trees = dict(house._modules(house.ours()))
    gate = [module for module in trees if module == "ferry.gate" or module.startswith("ferry.gate.")]
    assert len(gate) > 10
    assert [
        f"{module} imports {imported} through {through}"
        for module in gate
        for through in sorted(house._reached(trees, module))
        for imported, _ in house._imports(trees[through])
        if imported.partition(".")[0] in house.DOES_IO
    ] == []
