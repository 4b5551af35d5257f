"""Invented visitors of a small shop, the same on every machine.

Their events are those behind dsl/examples/shop.yaml.

Shape   generate(now) -> payloads in Segment's format, in the order they reach the server, which is not always the order
        in which they happened
Units   `now` in milliseconds UTC; no timestamp is later. There is no `sentAt`, so the server does not shift the history
Laws    message ids do not depend on `now`: sending everything again, even on another day, adds nothing
Source  dsl/examples/README.md, which describes ada, grace and linus
"""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from tinycdp.times import iso

Payload = dict[str, Any]


class Product(NamedTuple):
    sku: str
    name: str
    category: str
    cents: int


CATALOGUE = (
    Product("tea-01", "Assam, loose", "tea", 890),
    Product("tea-02", "Sencha", "tea", 1250),
    Product("tea-03", "Tea pot", "tea", 3900),
    Product("cof-01", "Espresso beans", "coffee", 1490),
    Product("cof-02", "Hand grinder", "coffee", 7900),
    Product("cof-03", "Filter cone", "coffee", 1950),
    Product("mug-01", "Mug, blue", "tableware", 1400),
    Product("mug-02", "Six cups", "tableware", 4800),
    Product("cho-01", "Dark chocolate", "sweets", 450),
    Product("cho-02", "Box of pralines", "sweets", 2400),
)


class Persona(NamedTuple):
    """The behaviour of one kind of visitor.

    share           of all visitors, in per cent
    weekly          the fewest and the most sessions a week
    since, until    days before now: the earliest and the latest first visit; the last visit
    views           products viewed in a session
    carts, buys     chance in per cent that a session fills the cart; that a filled cart is bought
    coupons         chance in per cent that an order uses a coupon
    signs_up        chance in per cent of ever signing up
    """

    name: str
    share: int
    weekly: tuple[int, int]
    since: tuple[int, int]
    until: int
    views: tuple[int, int]
    carts: int
    buys: int
    coupons: int
    signs_up: int


PERSONAS = (
    Persona("loyal", 20, (3, 6), (60, 30), 0, (1, 4), 45, 75, 10, 100),
    Persona("lapsed", 15, (1, 4), (60, 50), 35, (1, 3), 40, 70, 20, 100),
    Persona("new", 20, (2, 5), (6, 1), 0, (2, 5), 35, 40, 15, 60),
    Persona("bargain", 20, (1, 3), (60, 20), 0, (2, 6), 50, 55, 85, 95),
    Persona("window", 25, (1, 2), (60, 5), 0, (2, 8), 15, 0, 0, 10),
)

COUNTRIES = ("DE", "DE", "DE", "AT", "CH", "FR", "GB", "US", "US", "NL")
PLANS = {"loyal": ("plus", "pro", "free"), "lapsed": ("free", "free", "plus")}
FIRST_NAMES = ("Mira", "Jonas", "Aylin", "Theo", "Noor", "Felix", "Ines", "Oskar", "Lena", "Samir", "Clara", "Ravi")

#: Weights of Monday to Sunday, and of the hours 0 to 23: evenings and weekends are busier than nights.
WEEKDAYS = (10, 10, 11, 12, 14, 20, 18)
HOURS = (1, 1, 0, 0, 0, 1, 3, 6, 8, 7, 6, 7, 10, 8, 6, 6, 7, 9, 12, 15, 16, 13, 8, 3)


class Session(NamedTuple):
    at: Instant
    products: tuple[Product, ...]
    carts: bool
    buys: bool
    coupon: bool


class Device(NamedTuple):
    anonymous_id: str
    platform: str


def generate(now: Instant, *, visitors: int = 300, days: int = 60, seed: int = 1) -> Iterator[Payload]:
    """Yield the payloads of all visitors, over about `days` days, by arrival.

    They are ada, grace, linus and `visitors` random ones."""
    arrivals = [
        (arrival, payload)
        for history in (
            _ada(now),
            _grace(now),
            _linus(now),
            *(_visitor(now, number, days, seed) for number in range(visitors)),
        )
        for arrival, payload in history
    ]
    arrivals.sort(key=lambda arrived: (arrived[0], arrived[1]["messageId"]))
    return (payload for _, payload in arrivals)


class _Diary:
    """What one visitor did, as (arrival, payload).

    Messages are numbered, so that their ids do not depend on a clock."""

    def __init__(self, visitor: str) -> None:
        self.visitor = visitor
        self.user_id: str | None = None
        self.entries: list[tuple[Instant, Payload]] = []

    def write(self, kind: str, at: Instant, device: Device, *, late_ms: int = 0, **fields: Any) -> None:
        payload = {
            "type": kind,
            "messageId": f"shop-{self.visitor}-{len(self.entries):04}",
            "anonymousId": device.anonymous_id,
            **({} if self.user_id is None else {"userId": self.user_id}),
            "timestamp": iso(at),
            **fields,
            "context": {"platform": device.platform, "library": {"name": "tinycdp-examples"}},
        }
        self.entries.append((at + late_ms, payload))

    def sign_up(self, at: Instant, device: Device, user_id: str, traits: dict[str, Any]) -> None:
        self.user_id = user_id
        self.write("identify", at, device, traits={**traits, "email": f"{user_id}@example.com"})

    def visit(self, session: Session, device: Device, late_ms: int = 0) -> None:
        """Add one session: the app opens, products are viewed, perhaps the cart is bought."""
        at = session.at

        def event(name: str, **properties: Any) -> None:
            self.write("track", at, device, late_ms=late_ms, event=name, properties=properties)

        event("app_open", platform=device.platform)
        if device.platform == "web":
            self.write("page", at, device, late_ms=late_ms, name="Home", properties={"path": "/"})
        for product in session.products:
            at += 40 * SECOND_MS
            event("product_viewed", sku=product.sku, category=product.category, price=product.cents / 100)
        if session.carts:
            at += 30 * SECOND_MS
            event("cart", items=len(session.products), sku=session.products[-1].sku)
        if session.buys:
            at += 2 * MINUTE_MS
            cents = sum(product.cents for product in session.products)
            if session.coupon:
                cents = cents * 80 // 100
            event(
                "purchase",
                amount=cents / 100,
                currency="EUR",
                items=len(session.products),
                discounted=session.coupon,
                category=session.products[-1].category,
            )


#: The longest session. A session that starts this long before now has ended.
_LONGEST_MS = 15 * MINUTE_MS


def _visitor(now: Instant, number: int, days: int, seed: int) -> list[tuple[Instant, Payload]]:
    # Each visitor has its own random generator, so that it is the same however many others there are.
    draw = Random(f"{seed}:{number}")
    persona = draw.choices(PERSONAS, weights=[persona.share for persona in PERSONAS])[0]
    name = draw.choice(FIRST_NAMES)
    diary = _Diary(f"{seed}-{number:04}")
    browser = Device(f"anon-{seed}-{number:04}-a", draw.choice(("web", "web", "ios", "android")))
    phone = Device(f"anon-{seed}-{number:04}-b", draw.choice(("ios", "android")))
    has_phone = draw.random() < 0.35
    signs_up = draw.randrange(100) < persona.signs_up
    country = draw.choice(COUNTRIES)
    plan = draw.choice(PLANS.get(persona.name, ("free", "free", "free", "plus")))
    age = min(draw.randint(persona.since[1], persona.since[0]), days)
    weekly = draw.randint(*persona.weekly)

    last = min(persona.until, age - 1)
    sessions = sorted(_session(draw, now, age, last, persona) for _ in range(max(1, weekly * (age - last) // 7)))
    # Visitors first look around anonymously: they sign up in their second session, or in their only one.
    known_from = min(1, len(sessions) - 1)
    known_on: set[Device] = set()
    for index, session in enumerate(sessions):
        device = phone if has_phone and index % 3 == 2 else browser
        # One session in twelve is reported up to five hours late, as by a phone that was offline.
        late_ms = draw.randrange(1, 5 * HOUR_MS) if draw.random() < 0.08 else 0
        late_ms = min(late_ms, max(0, now - session.at - _LONGEST_MS))
        diary.visit(session, device, late_ms)
        if signs_up and index >= known_from and device not in known_on:
            known_on.add(device)
            traits = {"name": name, "country": country, "plan": plan, "signed_up_at": iso(session.at)}
            diary.sign_up(session.at + _LONGEST_MS - MINUTE_MS, device, f"user-{seed}-{number:04}", traits)
        # Each device learns its user separately: until then it sends only its own id.
        diary.user_id = None
        following = phone if has_phone and (index + 1) % 3 == 2 else browser
        if following in known_on:
            diary.user_id = f"user-{seed}-{number:04}"
    return diary.entries


def _session(draw: Random, now: Instant, age: int, last: int, persona: Persona) -> Session:
    """A random session between `age` and `last` days ago.

    Its day and hour follow the shop's busy times."""
    ago = draw.randint(last, age)
    weekday = draw.choices(range(7), weights=WEEKDAYS)[0]
    hour = draw.choices(range(24), weights=HOURS)[0]
    minute_ms = draw.randrange(HOUR_MS)
    products = tuple(draw.choices(CATALOGUE, k=draw.randint(*persona.views)))
    carts = draw.randrange(100) < persona.carts
    buys = draw.randrange(100) < persona.buys
    coupon = draw.randrange(100) < persona.coupons

    day = now // DAY_MS - ago
    # The nearest such weekday at or before the random day; 1 January 1970 was a Thursday. A day outside the visitor's
    # time is kept, and loses only its weekday.
    wanted = day - (day + 3 - weekday) % 7
    if now // DAY_MS - wanted <= age:
        day = wanted
    at = day * DAY_MS + hour * HOUR_MS + minute_ms
    latest = now - last * DAY_MS - _LONGEST_MS
    if at > latest:
        at = latest - minute_ms
    return Session(at, products, carts, carts and buys, coupon)


def _ada(now: Instant) -> list[tuple[Instant, Payload]]:
    """Opens the app daily and buys every third day: a power user, a big spender on plan pro."""
    diary, phone, web = _Diary("ada"), Device("ada-phone", "ios"), Device("ada-web", "web")
    start = now - 30 * DAY_MS - 2 * HOUR_MS
    diary.visit(Session(start - DAY_MS, CATALOGUE[3:5], False, False, False), web)
    diary.sign_up(start, web, "ada", {"name": "Ada", "country": "DE", "plan": "pro"})
    diary.sign_up(start + MINUTE_MS, phone, "ada", {"name": "Ada", "country": "DE", "plan": "pro"})
    for ago in range(29, -1, -1):
        buys = ago % 3 == 0
        diary.visit(Session(now - ago * DAY_MS - HOUR_MS, CATALOGUE[3:5], buys, buys, False), phone if ago % 2 else web)
    return diary.entries


def _grace(now: Instant) -> list[tuple[Instant, Payload]]:
    """Bought eight times, always with a coupon, and has been inactive for 40 days."""
    diary, web = _Diary("grace"), Device("grace-web", "web")
    diary.sign_up(now - 60 * DAY_MS, web, "grace", {"name": "Grace", "country": "US", "plan": "free"})
    for order in range(8):
        at = now - (54 - 2 * order) * DAY_MS - 3 * HOUR_MS
        diary.visit(Session(at, (CATALOGUE[2], CATALOGUE[7]), True, True, True), web)
    return diary.entries


def _linus(now: Instant) -> list[tuple[Instant, Payload]]:
    """Came anonymously two days ago, signed up, and left a cart three hours ago.

    The phone's report was late."""
    diary, web, phone = _Diary("linus"), Device("linus-web", "web"), Device("linus-phone", "android")
    # The three visits are whole days apart, so that they fall on three consecutive days at any hour of seeding.
    last = now - 3 * HOUR_MS
    diary.visit(Session(last - 2 * DAY_MS, CATALOGUE[:2], False, False, False), web)
    traits = {"name": "Linus", "country": "CH", "plan": "free"}
    diary.sign_up(last - 2 * DAY_MS + HOUR_MS, web, "linus", traits)
    diary.sign_up(last - DAY_MS - MINUTE_MS, phone, "linus", traits)
    diary.visit(Session(last - DAY_MS, CATALOGUE[5:7], False, False, False), phone, late_ms=5 * HOUR_MS)
    diary.visit(Session(last, (CATALOGUE[4],), True, False, False), web)
    return diary.entries
