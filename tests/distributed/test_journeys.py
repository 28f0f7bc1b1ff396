"""Every journey again, through the gateway and over services that are processes of their own."""

import importlib
import pkgutil

import tests.journeys

JOURNEYS = [module.name for module in pkgutil.iter_modules(tests.journeys.__path__) if module.name.startswith("test_")]

for _name in JOURNEYS:
    _module = importlib.import_module(f"tests.journeys.{_name}")
    globals().update({name: value for name, value in vars(_module).items() if name.startswith("test_")})
