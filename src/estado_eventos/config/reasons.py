"""Por qué no vale un valor de la configuración, en una frase para una persona."""

from collections.abc import Callable

from pydantic import ValidationError

_REASONS = {
    "int_parsing": "no es un número entero",
    "int_from_float": "no es un número entero",
    "int_parsing_size": "es un número demasiado grande",
    "float_parsing": "no es un número",
    "finite_number": "no es un número",
    "greater_than": "tiene que ser mayor que {gt:g}",
    "greater_than_equal": "tiene que ser al menos {ge:g}",
    "less_than_equal": "tiene que ser como mucho {le:g}",
    "enum": "no es ninguno de estos valores: {expected}",
    "value_error": "{error}",
}


def explain(failure: ValidationError, origin_of: Callable[[str], str]) -> list[str]:
    """Una frase por variable, con su nombre y de dónde salió; nunca con su valor."""
    sentences = []
    for error in failure.errors(include_url=False, include_input=False):
        if error["type"] == "default_factory_not_called":
            # Pydantic no calcula los valores de fábrica que dependen de otros si alguno está mal.
            continue
        if not error["loc"]:
            # Lo que dice el modelo entero es ya una frase.
            sentences.append(str(error["ctx"]["error"]))
            continue
        name = str(error["loc"][0])
        origin = origin_of(name)
        context = dict(error.get("ctx", {}))
        if "expected" in context:
            context["expected"] = context["expected"].replace(" or ", " o ")
        reason = _REASONS.get(error["type"], "no vale").format(**context)
        sentences.append(f"{name.upper()} ({origin}): {reason}.")
    return sentences
