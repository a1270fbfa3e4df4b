"""The gallery of the documentation from the numbers of ``qmis figures``.

Usage: python docs/write_gallery.py figures  (writes docs/figures/NAME.png and docs/gallery.md)
"""

import io
import re
import sys
from pathlib import Path

from PIL import Image

from paper_figures import FIGURES
from paper_figures.runner import read, recipe, save

HERE = Path(__file__).resolve().parent
PICTURES, PAGE = HERE / "figures", HERE / "gallery.md"
DPI, SHOWN, COLOURS = 300, 100, 64
"""Dots an inch in the file and on the page, and colours of the palette that keeps files small."""

TITLES = {"attack_roc": "ROC of the best attack", "indicator_exponent": "Indicator and exponent"}
"""Headings that are not the name of the recipe."""

SYMBOL = re.compile(r"\b[Irρ]_Q\b")
"""What a caption writes as plain text and a page as a formula."""

INTRODUCTION = """# Gallery of figures

Every figure is made by a short recipe on the public interface, in two steps: `compute` returns the numbers, `draw` puts
them on paper and computes nothing. `qmis figures` writes each as PDF and PNG, and the numbers that are drawn as CSV
with their seed, command and versions; `qmis figures NAME --quick` draws one with smaller samples. Two runs write the
same numbers. Figures that show a study read its committed numbers from `docs/studies`, so that they need a checkout of
the source. The pictures below are of the quick samples (`make figures`, then `make gallery`); `make figures-full` draws
them with the samples of a paper.
"""

ENTRY = """## {title}

```{{figure}} figures/{name}.png
:alt: {alt}
:width: {width}px

{caption}
```

<details><summary>Code: <code>paper_figures/{name}.py</code></summary>

```{{literalinclude}} ../paper_figures/{name}.py
:language: python
```

</details>
"""


def picture(name: str, numbers: Path) -> None:
    """Draw a figure and keep it as a PNG with a small palette."""
    stream = io.BytesIO()
    save(name, read(numbers), stream, format="png", dpi=DPI, metadata={"Software": None})
    small = Image.open(stream).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(PICTURES / f"{name}.png", optimize=True, dpi=(DPI, DPI))


def formulas(caption: str) -> str:
    """Return a caption whose symbols of a quantizer are formulas."""
    return SYMBOL.sub(r"$\g<0>$", caption).replace("$ρ", r"$\rho")


def page(names: list[str]) -> str:
    """Return the page with the captions and the code of these figures."""
    entries = [INTRODUCTION]
    for name in names:
        caption = " ".join(str(recipe(name).__doc__).split())
        width = round(SHOWN * recipe(name).SIZE[0])
        title = TITLES.get(name, name.replace("_", " ").capitalize())
        alt = caption.partition(". ")[0]
        entries.append(ENTRY.format(title=title, name=name, alt=alt, width=width, caption=formulas(caption)))
    return "\n".join(entries)


def main() -> None:
    folder = Path(sys.argv[1])
    names = [name for name in FIGURES if (folder / f"{name}.csv").exists()]
    PICTURES.mkdir(exist_ok=True)
    for name in names:
        picture(name, folder / f"{name}.csv")
    PAGE.write_text(page(names), encoding="utf-8")


if __name__ == "__main__":
    main()
