"""The case fields of the stand-in: drop-downs, fields of three levels, plain ones, in two languages."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from etl.sandbox.world.items import Item

DROP_DOWN, DEPENDENT, TEXT, CHECKBOX, DATE, MULTI_SELECT = "001", "002", "003", "004", "005", "006"

Options = Mapping[str, Any]


def _flat(*labels: str) -> Options:
    return {label: {} for label in labels}


class Made(NamedTuple):
    """What makes a case field; the options are labels in a tree, their keys are counted out."""

    key: str
    name: str
    type: str
    description: str | None = None
    options: Options | None = None
    required: bool = False
    active: bool = True


PRODUCTS = {
    "Hardware": {
        "Laptop": _flat("13 inch", "15 inch", "17 inch"),
        "Phone": _flat("Desk phone", "Headset"),
        "Router": _flat("Home", "Office"),
    },
    "Software": {
        "Desktop app": _flat("Windows", "macOS", "Linux"),
        "Mobile app": _flat("Android", "iOS"),
    },
    "Services": {"Training": _flat("On site", "Remote"), "Installation": {}},
}
PLACES = {
    "Portugal": {
        "Lisboa": _flat("Amadora", "Cascais", "Sintra"),
        "Porto": _flat("Gondomar", "Matosinhos"),
        "Açores": _flat("Ponta Delgada", "Angra do Heroísmo"),
    },
    "Brasil": {"São Paulo": _flat("Campinas", "Santos"), "Bahia": _flat("Salvador")},
    "Outro país": {},
}
CATALOGUE = (
    Made("drop_down1", "Contact reason", DROP_DOWN, "Why the customer got in touch",
         _flat("Billing question", "Technical problem", "Cancellation", "Complaint", "Other"), required=True),
    Made("drop_down2", "Motivo do contacto", DROP_DOWN, "Porque é que o cliente nos contactou",
         _flat("Dúvida sobre a fatura", "Problema técnico", "Cancelamento", "Reclamação", "Outro")),
    Made("dependent_field1", "Product", DEPENDENT, "What the case is about", PRODUCTS, required=True),
    Made("dependent_field2", "Localização", DEPENDENT, "Onde está o cliente", PLACES),
    Made("drop_down3", "Priority", DROP_DOWN, None, _flat("Low", "Normal", "High", "Urgent"), required=True),
    Made("drop_down4", "Language / Idioma", DROP_DOWN, None, _flat("English", "Português")),
    Made("text1", "Order number", TEXT, "As printed on the invoice"),
    Made("text2", "Número de contribuinte", TEXT),
    Made("checkbox1", "Callback wanted", CHECKBOX),
    Made("date1", "Data de devolução", DATE, "Até quando o artigo deve ser devolvido"),
    Made("multi_select1", "Channels", MULTI_SELECT, None, _flat("Voice", "Email", "Chat", "WhatsApp")),
    Made("drop_down5", "Warranty code (old)", DROP_DOWN, "Replaced by Order number",
         _flat("W1", "W2", "W3"), active=False),
)  # fmt: skip


def case_fields(count: int, *, now: datetime) -> list[Item]:
    """The first so many fields of the catalogue, as the API shows them."""
    return [_field(made, number, now) for number, made in enumerate(CATALOGUE[:count], start=1)]


def siblings(field: Item, path: Sequence[str]) -> list[Item]:
    """The list in which the last key of the path stands; KeyError when the path leads nowhere."""
    entries = _children(field, "dict_list")
    for key in path[:-1]:
        entries = _children(entries[place(entries, key)], "children")
    return entries


def place(entries: Sequence[Item], key: str) -> int:
    """Where the entry with that key stands among its siblings; KeyError when it does not."""
    for number, entry in enumerate(entries):
        if entry["key"] == key:
            return number
    raise KeyError(key)


def day_stamp(instant: datetime) -> str:
    """The instant as case fields carry it: UTC, whole seconds."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def _children(owner: Item, key: str) -> list[Item]:
    if owner.get(key) is None:
        owner[key] = []
    children: list[Item] = owner[key]
    return children


def _field(made: Made, number: int, now: datetime) -> Item:
    created_at = (now - timedelta(days=400 - 7 * number)).replace(hour=9, minute=number, second=0)
    field: Item = {"id": str(number), "key": made.key, "name": made.name, "type": made.type}
    if made.description is not None:
        field["description"] = made.description
    if made.options is not None:
        field["dict_list"] = _nested(made.options) if made.type == DEPENDENT else _listed(made.options)
    field |= {"required": made.required, "active": made.active, "created_at": day_stamp(created_at)}
    return field | {"updated_at": day_stamp(created_at + timedelta(days=3 * number))}


# The vendor's sample of a dependent field spells the label "lable" and ends in "children": null;
# its table and its flat drop-down say "value" and leave the children out. The stand-in does both.
def _nested(options: Options, parent: str = "") -> list[Item]:
    keys = {label: f"{parent}{number:03d}" for number, label in enumerate(options, start=1)}
    return [
        {"key": keys[label], "lable": label, "children": _nested(inner, keys[label]) or None}
        for label, inner in options.items()
    ]


def _listed(options: Options) -> list[Item]:
    return [{"key": f"{number:03d}", "value": label} for number, label in enumerate(options, start=1)]
