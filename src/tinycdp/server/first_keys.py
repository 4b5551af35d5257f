"""The first keys of a project: created once, shown once.

Shape   FirstKeys.random() → given_to(settings), which bootstrap stores as hashes · welcome(settings, keys), created(…)
        → what to print when the server is up, or before
Laws    the text of a key is in no file: keys that were not copied are replaced with `tinycdp key create`.
        An operator who sets any of TINYCDP_BOOTSTRAP_…_KEY gets those and no others
"""

import secrets
import shutil
import sys
from pathlib import Path

import msgspec

from tinycdp import __version__
from tinycdp.settings import Settings


class FirstKeys(msgspec.Struct, frozen=True, kw_only=True):
    """One key for each scope that a project needs first."""

    admin_key: str
    write_key: str
    read_key: str

    @classmethod
    def random(cls) -> "FirstKeys":
        """New keys; each begins with its scope."""
        return cls(**{f"{scope}_key": f"{scope}_{secrets.token_urlsafe(24)}" for scope in ("admin", "write", "read")})

    def given_to(self, settings: Settings) -> Settings:
        """Settings with these as bootstrap keys, except those that are set already."""
        return msgspec.structs.replace(
            settings,
            bootstrap_admin_key=settings.bootstrap_admin_key or self.admin_key,
            bootstrap_write_key=settings.bootstrap_write_key or self.write_key,
            bootstrap_read_key=settings.bootstrap_read_key or self.read_key,
        )

    def __str__(self) -> str:
        return f"  admin key   {self.admin_key}\n  write key   {self.write_key}\n  read key    {self.read_key}"


_COPY_THEM = "Copy the keys now. They are not shown again: only their hashes are stored."


def has_keys(settings: Settings) -> bool:
    """Whether the settings name a first key."""
    return bool(settings.bootstrap_admin_key or settings.bootstrap_write_key or settings.bootstrap_read_key)


def welcome(settings: Settings, keys: FirstKeys | None) -> str:
    """The text to print when the server is up; with the keys if it has just created them."""
    url = settings.local_url
    if keys is None:
        return f"TinyCDP {__version__} serves {url}"
    return f"""
TinyCDP {__version__} serves {url}, with an empty project

  Open {url}/#key={keys.admin_key}: the console, signed in

{keys}

{_COPY_THEM}

Try, in this order
{_commands(settings, keys)}
The HTTP reference is at {url}/docs. Ctrl-C stops everything; the data stays.
"""


def created(settings: Settings, keys: FirstKeys) -> str:
    """The text to print when a project was created and is not served yet."""
    return f"""
TinyCDP {__version__} has created an empty project

{keys}

{_COPY_THEM}

Next, in this order
  # serve it; the other commands need another shell
  {program()} serve{_folder(settings)}
{_commands(settings, keys)}"""


def _folder(settings: Settings) -> str:
    """The option that names the data folder, if it is needed."""
    return "" if settings.data_dir == Path(".data") else f" --data-dir {settings.data_dir}"


def _commands(settings: Settings, keys: FirstKeys) -> str:
    """Commands from the first event to the first decision."""
    url = settings.local_url
    return f"""\
  # send an event
  curl '{url}/v1/track' -H 'Authorization: Bearer {keys.write_key}' \\
       -d '{{"userId":"ada","event":"purchase","properties":{{"amount":25}}}}'
  # see which events arrived, with their properties
  curl '{url}/v1/registry/events/purchase' -H 'Authorization: Bearer {keys.read_key}'
  # define a flag
  printf 'flags:\\n  - {{key: discount, rule: "events.purchase.sum(amount, 30d) >= 20"}}\\n' > first.yaml
  {program()} apply --wait first.yaml{_folder(settings)}
  # ask for it
  curl '{url}/v1/decide?userId=ada&flag=discount' -H 'Authorization: Bearer {keys.read_key}'
"""


def program() -> str:
    """The command by which this program was started, to be used in a shell."""
    given = sys.argv[0]
    if Path(given).name != "tinycdp":
        return f"{sys.executable} -m tinycdp"
    found = shutil.which("tinycdp")
    return "tinycdp" if found is not None and Path(found).resolve() == Path(given).resolve() else given
