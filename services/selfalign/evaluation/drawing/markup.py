"""HTML and SVG made of elements: whatever is not an element already is escaped."""

import html
import re

# Characters that neither HTML nor XML can carry.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is HTML; made by the functions here only."""

    __slots__ = ()


def escape(text: str) -> Markup:
    """The text as HTML that shows it, also between double quotes."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(_FORBIDDEN.sub("\ufffd", text), quote=True))


def element(name: str, *children: str, **attributes: str | float) -> Markup:
    """An element, e.g. element("td", "a < b", class_="n").

    A trailing underscore of an attribute is dropped and other underscores become dashes;
    numbers are written with at most two decimals.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_value(value))}"'
        for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """The children one after the other."""
    return Markup("".join(escape(child) for child in children))


def svg(width: float, height: float, label: str, *children: str) -> Markup:
    """A chart that scales down with the page but never up; screen readers read `label`."""
    return element(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        role="img",
        aria_label=label,
        style=f"max-width:{width:g}px",
    )


def text_at(x: float, y: float, text: str, anchor: str = "start", class_: str = "label") -> Markup:
    """SVG text with its baseline at y."""
    return element("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def rect(x: float, y: float, width: float, height: float, class_: str, title: str) -> Markup:
    """SVG rectangle that shows `title` under the pointer."""
    box = {"x": x, "y": y, "width": max(0.0, width), "height": height}
    return element("rect", element("title", title), class_=class_, **box)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Markup:
    """SVG line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def _value(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
