"""The pages of a run, overview, tables and gallery, from the templates in `templates/`."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from spic.strict_json import to_json


def render(template: str, **values) -> str:
    """Fill in a page of `templates/`; every value is escaped.

    In a template `{{ value | script }}` writes a value as JSON that is safe inside a <script>.
    """
    return _TEMPLATES.get_template(template).render(values)


_TEMPLATES = Environment(
    loader=PackageLoader(__name__),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_TEMPLATES.filters["script"] = lambda value: Markup(to_json(value, ensure_ascii=True).replace("<", "\\u003c"))
