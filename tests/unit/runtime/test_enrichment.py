"""What is added to events, and what is never taken from clients."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from builders import at, make_message
from tinycdp.model import Message
from tinycdp.runtime.policies.enrichment import NAMES, BusinessHours, Enricher, EnrichmentPolicy, Place, class_of_host

IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
WINDOWS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
)
PIXEL = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
)
TAB = "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture(scope="module")
def enricher() -> Enricher:
    return Enricher()


def enriched(
    enricher: Enricher, *, ip: str = "", choices: EnrichmentPolicy | None = None, zone: str = "UTC", **fields: Any
) -> Message:
    context = fields.pop("context", {})
    ts = fields.pop("ts", "2026-03-01T12:00:00Z")
    message = make_message(fields.pop("event", "page"), ts, **fields)
    message = Message(**{name: getattr(message, name) for name in message.__struct_fields__} | {"context": context})
    return enricher.enrich(message, ip, choices or EnrichmentPolicy(local_time=True), zone)


@pytest.mark.parametrize(
    ("agent", "expected"),
    [
        (IPHONE, {"_browser": "Mobile Safari", "_browser_version": "17", "_os": "iOS", "_device": "mobile"}),
        (WINDOWS, {"_browser": "Chrome", "_browser_version": "126", "_os": "Windows", "_device": "desktop"}),
        (PIXEL, {"_os": "Android", "_device": "mobile"}),
        (TAB, {"_os": "Android", "_device": "tablet"}),
        (BOT, {"_device": "bot"}),
    ],
)
def test_what_sent_it(enricher: Enricher, agent: str, expected: dict[str, str]) -> None:
    properties = enriched(enricher, context={"userAgent": agent}).properties
    assert {name: properties.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("ip", "country"),
    [
        ("8.8.8.8", "US"), ("91.12.3.4", "DE"), ("::ffff:81.2.69.142", "GB"), ("127.0.0.1", None), ("10.0.0.1", None),
        ("", None), ("unknown", None), ("1.2.3", None), ("2a00:1450:4001::1", None), ("250.1.1.1", None),
    ],
)  # fmt: skip
def test_country(enricher: Enricher, ip: str, country: str | None) -> None:
    assert enriched(enricher, ip=ip).properties.get("_country") == country


def test_an_address_sent_by_a_server_counts_more_than_its_own(enricher: Enricher) -> None:
    assert enriched(enricher, ip="8.8.8.8", context={"ip": "91.12.3.4"}).properties["_country"] == "DE"


def test_addresses_are_forgotten_unless_they_are_wanted(enricher: Enricher) -> None:
    assert enriched(enricher, ip="8.8.8.8", context={"ip": "91.12.3.4", "a": 1}).context == {"a": 1}
    kept = enriched(enricher, ip="8.8.8.8", choices=EnrichmentPolicy(store_ip=True))
    assert kept.context == {"ip": "8.8.8.8"}


@pytest.mark.parametrize(
    ("context", "properties", "expected"),
    [
        ({"campaign": {"name": "spring", "source": "news"}}, {}, {"_utm_campaign": "spring", "_utm_source": "news"}),
        ({"page": {"search": "?utm_medium=email&x=1"}}, {}, {"_utm_medium": "email"}),
        ({}, {"url": "https://shop.example/?utm_source=a%20b"}, {"_utm_source": "a b"}),
        ({"campaign": {"source": "a"}, "page": {"search": "?utm_source=b"}}, {}, {"_utm_source": "a"}),
        ({"page": {"search": "?utm_source=%00b%ff"}}, {}, {"_utm_source": "\ufffdb\ufffd"}),
        ({"campaign": "spring", "page": "home"}, {"url": "http://[broken"}, {}),
    ],
)
def test_campaign(enricher: Enricher, context: Any, properties: Any, expected: Any) -> None:
    found = enriched(enricher, context=context, properties=properties).properties
    assert {name: value for name, value in found.items() if name.startswith("_utm")} == expected


@pytest.mark.parametrize(
    ("referrer", "expected"),
    [
        ("https://www.google.de/", ("search", "google.de")),
        ("https://www.google.co.uk/search?q=a", ("search", "google.co.uk")),
        ("https://mail.google.com/mail", ("email", "mail.google.com")),
        ("https://t.co/x", ("social", "t.co")),
        ("https://shop.example/cart", ("internal", "shop.example")),
        ("https://blog.example/", ("other", "blog.example")),
        ("", ("direct", None)),
        ("not a url", (None, None)),
    ],
)
def test_referrer(enricher: Enricher, referrer: str, expected: tuple[str | None, str | None]) -> None:
    page = {"url": "https://www.shop.example/", "referrer": referrer}
    found = enriched(enricher, context={"page": page}).properties
    assert (found.get("_referrer"), found.get("_referrer_host")) == expected


def test_a_host_belongs_to_its_longest_known_part() -> None:
    assert class_of_host("gemini.google.com") == "assistant"
    assert class_of_host("notgoogle.com") == "other"
    assert class_of_host("google.evil.example") == "other"


@pytest.mark.parametrize(
    ("timezone", "expected"),
    [("America/New_York", (7, 7)), ("Asia/Tokyo", (21, 7)), (None, (13, 7)), ("Not/A_Zone", (13, 7)), (5, (13, 7))],
)
def test_local_time(enricher: Enricher, timezone: Any, expected: tuple[int, int]) -> None:
    found = enriched(enricher, zone="Europe/Berlin", context={"timezone": timezone}).properties
    assert (found["_hour"], found["_weekday"]) == expected


@pytest.fixture(scope="module")
def of_cities(tmp_path_factory: pytest.TempPathFactory) -> Enricher:
    """With a file of cities, in which Munich is complete and one network has odd values."""
    file = tmp_path_factory.mktemp("geo") / "cities.mmdb"
    writer = MMDBWriter(6, "GeoLite2-City", languages=["en"], ipv4_compatible=True)
    munich = {
        "country": {"iso_code": "DE"},
        "subdivisions": [{"iso_code": "BY", "names": {"en": "Bavaria", "de": "Bayern"}}],
        "city": {"names": {"en": "Munich", "de": "München"}},
        "location": {"time_zone": "Europe/Berlin"},
    }
    writer.insert_network(IPSet(["91.12.0.0/16", "2a02:8109::/32"]), munich)
    writer.insert_network(IPSet(["93.0.0.0/16"]), {"country": {"iso_code": "FR"}, "subdivisions": [{"iso_code": "75"}]})
    writer.insert_network(IPSet(["94.0.0.0/16"]), {"country": "x", "subdivisions": [], "city": {"names": "y"}})
    writer.to_db_file(str(file))
    return Enricher(Path(file))


@pytest.mark.parametrize(
    ("ip", "place"),
    [
        ("91.12.3.4", Place("DE", "Bavaria", "Munich", "Europe/Berlin")),
        ("2a02:8109::1", Place("DE", "Bavaria", "Munich", "Europe/Berlin")),
        ("93.0.0.1", Place("FR", "75")),
        ("94.0.0.1", Place()),
        ("8.8.8.8", Place()),
        ("10.0.0.1", Place()),
    ],
)
def test_a_file_of_cities_knows_region_city_and_zone(of_cities: Enricher, ip: str, place: Place) -> None:
    assert of_cities.place(ip) == place
    found = enriched(of_cities, ip=ip).properties
    named = {"_country": place.country, "_region": place.region, "_city": place.city}
    assert {name: found.get(name) for name in named} == named
    country_only = enriched(of_cities, ip=ip, choices=EnrichmentPolicy(city=False)).properties
    assert country_only.keys() & named.keys() == ({"_country"} if place.country else set())


def test_the_zone_of_the_city_counts_unless_the_client_sends_one(of_cities: Enricher) -> None:
    found = enriched(of_cities, ip="91.12.3.4", zone="Asia/Tokyo").properties
    assert found["_hour"] == 13
    found = enriched(of_cities, ip="91.12.3.4", zone="Asia/Tokyo", context={"timezone": "America/New_York"}).properties
    assert found["_hour"] == 7
    assert enriched(of_cities, ip="8.8.8.8", zone="Asia/Tokyo").properties["_hour"] == 21


@pytest.mark.parametrize(
    ("ts", "inside"),
    [
        ("2026-03-02T07:59:59Z", False),  # Monday 8:59 in Berlin
        ("2026-03-02T08:00:00Z", True),
        ("2026-03-02T15:59:59Z", True),
        ("2026-03-02T16:00:00Z", False),
        ("2026-03-01T12:00:00Z", False),  # Sunday
    ],
)
def test_business_hours_are_those_of_the_visitors_place(of_cities: Enricher, ts: str, inside: bool) -> None:
    choices = EnrichmentPolicy(business_hours=BusinessHours())
    found = enriched(of_cities, ip="91.12.3.4", ts=ts, choices=choices, zone="Asia/Tokyo").properties
    assert found["_business_hours"] is inside
    assert "_hour" not in found


def test_business_hours_of_ones_own() -> None:
    always = BusinessHours(0, 24, (1, 2, 3, 4, 5, 6, 7))
    found = enriched(Enricher(), choices=EnrichmentPolicy(business_hours=always)).properties
    assert found["_business_hours"] is True
    with pytest.raises(msgspec.ValidationError, match="closes must be the later hour"):
        msgspec.convert({"opens": 17, "closes": 9}, BusinessHours)


def test_no_client_writes_the_reserved_names(enricher: Enricher) -> None:
    forged = dict.fromkeys(NAMES, "forged")
    found = enriched(enricher, properties={**forged, "_mine": 1, "amount": 2}).properties
    assert found == {"_mine": 1, "amount": 2, "_hour": 12, "_weekday": 7}


def test_each_part_can_be_switched_off(enricher: Enricher) -> None:
    nothing = EnrichmentPolicy(user_agent=False, country=False, campaign=False, referrer=False, local_time=False)
    page = {"url": "https://shop.example/?utm_source=a", "referrer": "https://t.co"}
    found = enriched(enricher, ip="8.8.8.8", choices=nothing, context={"userAgent": IPHONE, "page": page})
    assert found.properties == {}


def test_traits_are_the_clients_own(enricher: Enricher) -> None:
    message = make_message("", at("2026-03-01T12:00:00Z"), kind="identify", properties={"plan": "pro"})
    assert enricher.enrich(message, "8.8.8.8", EnrichmentPolicy(), "UTC").properties == {"plan": "pro"}
