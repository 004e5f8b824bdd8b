"""The pages of a run, overview, tables and gallery, from the templates in `templates/`."""

import functools

from spic.strict_json import to_json


def render(template: str, **values) -> str:
    """Fill in a page of `templates/`; every value is escaped.

    In a template `{{ value | script }}` writes a value as JSON that is safe inside a <script>.
    """
    return _templates().get_template(template).render(values)


@functools.cache
def _templates():
    from jinja2 import Environment, PackageLoader, StrictUndefined

    layout = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True}
    found = Environment(loader=PackageLoader(__name__), autoescape=True, undefined=StrictUndefined, **layout)
    found.filters["script"] = _script
    return found


def _script(value):
    from markupsafe import Markup

    return Markup(to_json(value, ensure_ascii=True).replace("<", "\\u003c"))
