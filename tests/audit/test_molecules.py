"""SMILES: invalid ones counted, molecules once, scaffolds whole."""

import sys

import numpy as np
import pytest

from qmis_stats import InputError
from qmis_stats.audit.molecules import molecules, scaffold_groups
from qmis_stats.audit.splits import group_split, held_out
from qmis_stats.audit.tables import load_table
from qmis_stats.errors import MissingExtraError

CHAINS = ("C", "CC", "CCO", "CN", "CCl", "CBr")


@pytest.fixture
def chem():
    return pytest.importorskip("rdkit", reason="SMILES need RDKit, the extra 'molecules'")


def test_without_rdkit(monkeypatch):
    monkeypatch.setitem(sys.modules, "rdkit", None)
    with pytest.raises(MissingExtraError, match="the extra molecules;"):
        molecules(["CCO"])


@pytest.mark.usefixtures("chem")
class TestMolecules:
    def test_invalid_smiles_are_counted_with_examples(self):
        found = molecules(["CCO", "C1CC", "", None, "c1ccccc1", "X" * 80, 3.5])
        assert found.rows.tolist() == [0, 4]
        assert found.notes[0].startswith("5 of 7 SMILES do not parse and are left out: row 2 'C1CC', row 3 '', row 4")
        with pytest.raises(InputError, match="none of them parses"):
            molecules(["X", "Y2"])
        with pytest.raises(InputError, match="row 2"):
            scaffold_groups(["CCO", "C1CC"])

    def test_a_molecule_counts_once(self):
        found = molecules(["OCC", "CCO", "C(C)O", "CCN"], targets=[1, 1, 0, 1])
        assert found.rows.tolist() == [0, 3]
        assert found.notes[0].startswith("2 rows repeat a molecule (same canonical SMILES), 1 of them with another")

    @pytest.mark.parametrize(
        ("mapped", "plain"),
        [
            ("[CH3:1][c:2]1[cH:3][cH:4][cH:5][cH:6][cH:7]1", "Cc1ccccc1"),
            ("[CH3:1][C@H:2]([CH3:3])[OH:4]", "CC(C)O"),  # a centre that only the numbers make chiral
            ("[CH3:1][C@H:2]([Cl:3])[OH:4]", "C[C@H](Cl)O"),
            ("[H:1][O:2][CH3:3]", "CO"),
            ("[nH:1]1[cH:2][cH:3][cH:4][cH:5]1", "c1cc[nH]c1"),
            ("CO[*:1]", "CO*"),
        ],
    )
    def test_atom_maps_make_no_other_molecule(self, mapped, plain):
        other = "FC1CCCC1"
        found, expected = molecules([mapped, other, plain], "both"), molecules([plain, other], "both")
        assert found.smiles == expected.smiles
        assert found.rows.tolist() == [0, 1]
        assert found.features == expected.features
        assert np.allclose(found.X, expected.X, rtol=1e-12, atol=1e-12)  # sums over atoms in another order
        assert np.array_equal(found.groups, expected.groups)
        assert len(set(scaffold_groups([mapped, plain, mapped.replace(":1]", ":11]")]))) == 1

    def test_fingerprints_are_those_of_rdkit(self):
        from rdkit import Chem
        from rdkit.Chem import AllChem

        smiles = ["CC(C)NCC(O)COc1cccc2ccccc12", "Cn1c(=O)c2c(ncn2C)n(C)c1=O"]
        own = molecules(smiles).X
        for row, text in zip(own, smiles, strict=True):
            bits = (
                AllChem.GetMorganGenerator(radius=2, fpSize=1024).GetFingerprint(Chem.MolFromSmiles(text)).GetOnBits()
            )
            assert np.flatnonzero(row).tolist() == list(bits)

    @pytest.mark.parametrize("kind", ["descriptors", "both"])
    def test_descriptors_are_finite_and_vary(self, kind):
        found = molecules(["CCO", "c1ccccc1C", "CC(=O)O", "CCCCN"], kind)
        assert np.isfinite(found.X).all()
        weights = found.X[:, found.features.index("MolWt")]
        assert weights[0] == pytest.approx(46.069, abs=1e-3)
        assert np.ptp(found.X[:, -50:], axis=0).min() > 0.0
        with pytest.raises(InputError, match="fingerprints, descriptors, both"):
            molecules(["CCO"], "graphs")

    def test_scaffolds(self):
        groups = scaffold_groups(["Cc1ccccc1", "CCc1ccccc1", "C1CCCCC1", "CCO", "CCN"])
        assert groups.tolist() == [0, 0, 1, 2, 2]

    def test_a_table_of_molecules(self, tmp_path):
        rows = [f"m{i},{'C' * (i + 1)}O,{i},{0.1 * i}" for i in range(30)] + ["bad,C1CC,0,1.0", "twin,OC,5,0.0"]
        (tmp_path / "m.csv").write_text("id,s,size,y\n" + "\n".join(rows) + "\n")
        data = load_table(tmp_path / "m.csv", "y", smiles="s", columns=["size"], groups="scaffold")
        assert data.features[-1] == "size"
        assert data.groups.max() == 0
        assert "Columns that are not used: id." in data.notes
        assert any(note.startswith("1 of 32 SMILES do not parse") for note in data.notes)
        with pytest.raises(InputError, match="text: SMILES"):
            load_table(tmp_path / "m.csv", "y", smiles="size")
        with pytest.raises(InputError, match="SMILES are read by smiles="):
            load_table(tmp_path / "m.csv", "y", ignore=["id"])

    def test_repetitions_without_a_target_or_a_feature_are_dropped_first(self, tmp_path):
        smiles = [ring + chain for ring in ("c1ccccc1", "C1CCCCC1", "c1ccncc1", "C1CCNCC1") for chain in CHAINS]
        without, half = [f"{s},,1" for s in smiles], [f"{s},{i},{i}" for i, s in enumerate(smiles)]
        (tmp_path / "m.csv").write_text("s,y,size\n" + "\n".join([*without, *half, "C1CC,1,1"]) + "\n")
        data = load_table(tmp_path / "m.csv", "y", smiles="s", missing="drop")
        assert data.y.tolist() == list(range(24))
        assert data.notes[1] == "24 of 49 rows have missing values and are left out."
        assert data.notes[2] == "1 of 25 SMILES do not parse and are left out: row 49 'C1CC'."
        swapped = [",".join([s, *reversed(rest)]) for s, *rest in (row.split(",") for row in [*without, *half])]
        (tmp_path / "n.csv").write_text("s,y,size\n" + "\n".join(swapped) + "\n")
        data = load_table(tmp_path / "n.csv", "y", smiles="s", columns=["size"], missing="drop")
        assert data.X[:, -1].tolist() == list(range(24))
        for file, where in (("m.csv", "target, row 1 "), ("n.csv", "column 'size', row 1 ")):
            with pytest.raises(InputError, match=f"{where}= 'missing'"):
                load_table(tmp_path / file, "y", smiles="s", columns=["size"])

    @pytest.mark.parametrize(
        ("name", "task", "most"),
        [
            ("bbb_martins", "binary", 2039 - 60),
            ("caco2_wang", "regression", 910),
            ("cyp3a4_substrate_carbonmangels", "binary", 670),
            ("lipophilicity_astrazeneca", "regression", 4200),
            ("pgp_broccatelli", "binary", 1218),
            ("vdss_lombardo", "regression", 1130),
        ],
    )
    def test_tdc(self, tdc, name, task, most):
        data = load_table(
            tdc / f"{name}.tab", "Y", smiles="X" if name == "vdss_lombardo" else "Drug", groups="scaffold"
        )
        assert data.task == task
        assert 0.95 * most < data.rows <= most
        assert data.columns == 1024
        assert not any("do not parse" in note for note in data.notes)
        pool, held = held_out(data, 0.5, np.random.default_rng(1))
        assert not set(data.groups[pool]) & set(data.groups[held])
        assert abs(held.size / data.rows - 0.5) < 0.02


def test_whole_groups_go_to_one_side():
    groups = np.random.default_rng(0).integers(0, 30, size=500)
    pool, held = group_split(groups, 0.3, np.random.default_rng(1))
    assert not set(groups[pool]) & set(groups[held])
    assert sorted([*pool, *held]) == list(range(500))
    assert 120 <= held.size <= 150
