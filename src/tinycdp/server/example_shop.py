"""Invented visitors of a small shop, the same on every machine.

Their events are those behind dsl/examples/shop.yaml.

Shape   generate(now) -> payloads in Segment's format, in the order they reach the server, which is not always the order
        in which they happened
        impressions(now) -> who saw which price in the price test, in PostHog's format, by which a client reports it
Units   `now` in milliseconds UTC; no timestamp is later. There is no `sentAt`, so the server does not shift the history
Laws    message ids do not depend on `now`: sending everything again, even on another day, adds nothing
Source  dsl/examples/README.md, which describes ada, grace and linus
"""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from tinycdp.engine.flags.bucketing import bucket, chosen
from tinycdp.model import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Instant
from tinycdp.times import iso

Payload = dict[str, Any]
VISITORS = 400


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
    fades           1: as many sessions at the end as at the beginning; the larger, the more of them come early
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
    fades: float


PERSONAS = (
    Persona("loyal", 20, (3, 6), (60, 14), 0, (1, 4), 45, 80, 10, 100, 1.0),
    Persona("lapsed", 15, (1, 4), (60, 45), 35, (1, 3), 40, 75, 20, 100, 2.0),
    Persona("new", 20, (2, 5), (6, 1), 0, (2, 5), 40, 40, 15, 60, 1.0),
    Persona("bargain", 20, (1, 3), (60, 10), 0, (2, 6), 50, 60, 85, 95, 1.6),
    Persona("window", 25, (1, 2), (60, 5), 0, (2, 8), 20, 5, 0, 10, 2.2),
)

COUNTRIES = ("DE", "DE", "DE", "AT", "CH", "FR", "GB", "US", "US", "NL")


class Channel(NamedTuple):
    """Where visitors come from.

    share     of all visitors, in per cent
    campaign  as in the parameters utm_… of the first page; empty without
    stays     the share of its visitors' sessions that happen, in per cent: a paid click returns less often
    buys      points added to the chance that a filled cart is bought"""

    name: str
    share: int
    campaign: dict[str, str]
    stays: int
    buys: int


CHANNELS = (
    Channel("direct", 25, {}, 100, 0),
    Channel("search", 30, {"source": "search", "medium": "organic"}, 90, 5),
    Channel("newsletter", 15, {"source": "newsletter", "medium": "email", "name": "spring"}, 100, 15),
    Channel("ads", 20, {"source": "ads", "medium": "cpc", "name": "tea-week"}, 45, -15),
    Channel("friends", 10, {"source": "referral", "medium": "link"}, 100, 10),
)
COMPANIES = (
    ("acme", {"name": "Acme", "industry": "software", "seats": 40, "tier": "gold"}),
    ("blume", {"name": "Blume & Co", "industry": "retail", "seats": 6, "tier": "basic"}),
    ("corvid", {"name": "Corvid", "industry": "media", "seats": 15, "tier": "basic"}),
    ("delta", {"name": "Delta Bau", "industry": "construction", "seats": 120, "tier": "gold"}),
    ("elster", {"name": "Elster", "industry": "media", "seats": 22, "tier": "silver"}),
)
#: In per cent: visitors who buy for a company, orders that are returned, checkouts that a phone loses.
_COMPANY_SHARE, _REFUNDED, _LOST_ON_PHONES = 15, 8, 12

#: The price test of shop.yaml: its flag, the salt that decides who is in which variant, and the rule that splits.
PRICE_TEST, PRICE_SALT, PRICE_RULE_NUMBER = "price_level", "example-shop-prices", 1
PRICES = ("regular", "lower")
#: It has run for a week, and sells. In per cent: what the lower price is of the regular one, and the points it adds
#: to the chance that a cart is filled, and that a filled one is bought.
_PRICE_TEST_DAYS, _LOWER_PRICE, _LOWER_CARTS, _LOWER_BUYS = 7, 90, 25, 25
PLANS = {"loyal": ("plus", "pro", "free"), "lapsed": ("free", "free", "plus")}
FIRST_NAMES = ("Mira", "Jonas", "Aylin", "Theo", "Noor", "Felix", "Ines", "Oskar", "Lena", "Samir", "Clara", "Ravi")

#: Weights of Monday to Sunday, and of the hours 0 to 23: evenings and weekends are busier than nights.
WEEKDAYS = (10, 10, 11, 12, 14, 20, 18)
HOURS = (1, 1, 0, 0, 0, 1, 3, 6, 8, 7, 6, 7, 10, 8, 6, 6, 7, 9, 12, 15, 16, 13, 8, 3)


class Session(NamedTuple):
    """One visit.

    checks_out  the checkout is opened; buys: and finished
    refund_ms   how long after it the order is returned; 0 if it is kept
    price       the variant of the price test; empty before it began"""

    at: Instant
    products: tuple[Product, ...]
    carts: bool
    checks_out: bool
    buys: bool
    coupon: bool
    refund_ms: int = 0
    price: str = ""


class Device(NamedTuple):
    anonymous_id: str
    platform: str
    country: str


def generate(now: Instant, *, visitors: int = VISITORS, days: int = 60, seed: int = 1) -> Iterator[Payload]:
    """Yield the payloads of all visitors, over about `days` days, by arrival.

    They are ada, grace, linus and `visitors` random ones. The first event of each goes before all others: a profile is
    bucketed by the identifier that the server saw first, and this makes it the browser's on every machine."""
    diaries = [_ada(now), _grace(now), _linus(now), *(_visitor(now, number, days, seed) for number in range(visitors))]
    arrivals = [(n > 0, arrival, payload) for diary in diaries for n, (arrival, payload) in enumerate(diary.entries)]
    arrivals.sort(key=lambda arrived: (*arrived[:2], arrived[2]["messageId"]))
    return (payload for _, _, payload in arrivals)


def impressions(now: Instant, *, visitors: int = VISITORS, days: int = 60, seed: int = 1) -> Iterator[Payload]:
    """Yield what the clients of these visitors report of the price test: each session saw a price."""
    for number in range(visitors):
        diary = _visitor(now, number, days, seed)
        for n, (at, device, price) in enumerate(diary.impressions):
            yield {
                "event": "$feature_flag_called",
                "distinct_id": device.anonymous_id,
                "uuid": f"shop-{diary.visitor}-price-{n:02}",
                "timestamp": iso(at),
                "properties": {
                    "$feature_flag": PRICE_TEST,
                    "$feature_flag_response": price,
                    "$feature_flag_id": PRICE_RULE_NUMBER,
                    "$feature_flag_version": 1,
                    "$is_identified": False,
                },
            }


class _Diary:
    """What one visitor did, as (arrival, payload).

    Messages are numbered, so that their ids do not depend on a clock.
    impressions: when which device saw which price"""

    def __init__(self, visitor: str) -> None:
        self.visitor = visitor
        self.user_id: str | None = None
        self.campaign: dict[str, str] = {}
        self.entries: list[tuple[Instant, Payload]] = []
        self.impressions: list[tuple[Instant, Device, str]] = []

    def write(self, kind: str, at: Instant, device: Device, *, late_ms: int = 0, **fields: Any) -> None:
        payload = {
            "type": kind,
            "messageId": f"shop-{self.visitor}-{len(self.entries):04}",
            "anonymousId": device.anonymous_id,
            **({} if self.user_id is None else {"userId": self.user_id}),
            "timestamp": iso(at),
            **fields,
            "context": {
                "platform": device.platform,
                "location": {"country": device.country},
                **({"campaign": self.campaign} if self.campaign else {}),
                "library": {"name": "tinycdp-examples"},
            },
        }
        self.entries.append((at + late_ms, payload))

    def sign_up(self, at: Instant, device: Device, user_id: str, traits: dict[str, Any]) -> None:
        self.user_id = user_id
        self.write("identify", at, device, traits={**traits, "email": f"{user_id}@example.com"})

    def visit(self, session: Session, device: Device, late_ms: int = 0) -> None:
        """Add one session: the app opens, products are viewed, perhaps the cart is bought, and sent back later."""
        at = session.at

        def event(name: str, **properties: Any) -> None:
            self.write("track", at, device, late_ms=late_ms, event=name, properties=properties)

        event("app_open", platform=device.platform)
        kind = "page" if device.platform == "web" else "screen"
        self.write(kind, at, device, late_ms=late_ms, name="Home", properties={"path": "/"})
        for product in session.products:
            at += 40 * SECOND_MS
            event("product_viewed", sku=product.sku, category=product.category, price=_price(product, session) / 100)
        if session.price:
            self.impressions.append((at, device, session.price))
        if session.carts:
            at += 30 * SECOND_MS
            event("cart", items=len(session.products), sku=session.products[-1].sku)
        if session.checks_out:
            at += MINUTE_MS
            event("checkout", items=len(session.products))
        if session.buys:
            at += MINUTE_MS
            cents = sum(_price(product, session) for product in session.products)
            if session.coupon:
                cents = cents * 80 // 100
            bought = {
                "amount": cents / 100,
                "currency": "EUR",
                "items": len(session.products),
                "discounted": session.coupon,
                "category": session.products[-1].category,
            }
            event("purchase", **bought)
            if session.refund_ms:
                at += session.refund_ms
                event("refund", amount=bought["amount"], currency="EUR", category=bought["category"])


def _price(product: Product, session: Session) -> int:
    return product.cents * _LOWER_PRICE // 100 if session.price == "lower" else product.cents


#: The longest session. A session that starts this long before now has ended.
_LONGEST_MS = 15 * MINUTE_MS


def _visitor(now: Instant, number: int, days: int, seed: int) -> _Diary:
    # Each visitor has its own random generator, so that it is the same however many others there are.
    draw = Random(f"{seed}:{number}")
    persona = draw.choices(PERSONAS, weights=[persona.share for persona in PERSONAS])[0]
    channel = draw.choices(CHANNELS, weights=[channel.share for channel in CHANNELS])[0]
    company = draw.choice(COMPANIES) if draw.randrange(100) < _COMPANY_SHARE else None
    name = draw.choice(FIRST_NAMES)
    country = draw.choice(COUNTRIES)
    diary = _Diary(f"{seed}-{number:04}")
    browser = Device(f"anon-{seed}-{number:04}-a", draw.choice(("web", "web", "ios", "android")), country)
    phone = Device(f"anon-{seed}-{number:04}-b", draw.choice(("ios", "android")), country)
    has_phone = draw.random() < 0.35
    signs_up = draw.randrange(100) < persona.signs_up
    plan = draw.choice(PLANS.get(persona.name, ("free", "free", "free", "plus")))
    age = min(draw.randint(persona.since[1], persona.since[0]), days)
    weekly = draw.randint(*persona.weekly)
    # What the flag of the price test answers: the browser is seen first, so it is what the profile is bucketed by.
    price = PRICES[chosen((50_000, 50_000), bucket(PRICE_SALT, "split", browser.anonymous_id))]

    last = min(persona.until, age - 1)
    times = max(1, weekly * (age - last) * channel.stays // 700)
    sessions = sorted(
        _session(draw, now, age, last, persona, channel, price, on_phone=browser.platform != "web")
        for _ in range(times)
    )
    # Visitors first look around anonymously: they sign up in their second session, or in their only one.
    known_from = min(1, len(sessions) - 1)
    known_on: set[Device] = set()
    for index, session in enumerate(sessions):
        device = phone if has_phone and index % 3 == 2 else browser
        # One session in twelve is reported up to five hours late, as by a phone that was offline.
        late_ms = draw.randrange(1, 5 * HOUR_MS) if draw.random() < 0.08 else 0
        late_ms = min(late_ms, max(0, now - session.at - _LONGEST_MS - session.refund_ms))
        # A campaign brings the first visit; a newsletter brings every one.
        diary.campaign = channel.campaign if index == 0 or channel.name == "newsletter" else {}
        diary.visit(session, device, late_ms)
        if signs_up and index >= known_from and device not in known_on:
            traits = {"name": name, "country": country, "plan": plan, "signed_up_at": iso(session.at)}
            at = session.at + _LONGEST_MS - MINUTE_MS
            diary.sign_up(at, device, f"user-{seed}-{number:04}", traits | {"channel": channel.name})
            if not known_on:
                diary.write("track", at, device, event="signup", properties={"channel": channel.name, "plan": plan})
                if company is not None:
                    diary.write("group", at, device, groupId=company[0], traits=company[1])
            known_on.add(device)
        # Each device learns its user separately: until then it sends only its own id.
        diary.user_id = None
        following = phone if has_phone and (index + 1) % 3 == 2 else browser
        if following in known_on:
            diary.user_id = f"user-{seed}-{number:04}"
    return diary


def _session(
    draw: Random,
    now: Instant,
    age: int,
    last: int,
    persona: Persona,
    channel: Channel,
    price: str,
    *,
    on_phone: bool,
) -> Session:
    """A random session between `age` and `last` days ago.

    Its day and hour follow the shop's busy times."""
    ago = age - int(draw.random() ** persona.fades * (age - last + 1))
    weekday = draw.choices(range(7), weights=WEEKDAYS)[0]
    hour = draw.choices(range(24), weights=HOURS)[0]
    minute_ms = draw.randrange(HOUR_MS)
    products = tuple(draw.choices(CATALOGUE, k=draw.randint(*persona.views)))
    in_test = ago < _PRICE_TEST_DAYS
    lower = in_test and price == "lower"
    carts = draw.randrange(100) < persona.carts + _LOWER_CARTS * lower
    buying = persona.buys + channel.buys + _LOWER_BUYS * lower - _LOST_ON_PHONES * on_phone
    buys = draw.randrange(100) < buying and carts
    checks_out = draw.randrange(100) < (30 if on_phone else 45) and carts
    coupon = draw.randrange(100) < persona.coupons
    refund_ms = draw.randrange(DAY_MS, 6 * DAY_MS)
    # An order of the last days may still be returned, but not before now.
    refunded = draw.randrange(100) < _REFUNDED and ago >= _PRICE_TEST_DAYS

    today = now // DAY_MS
    day = today - ago
    # The nearest such weekday at or before the random day, in the last week that of this week; 1 January 1970 was a
    # Thursday. A day outside the visitor's time is kept, and loses only its weekday.
    since = today if in_test else day
    wanted = since - (since + 3 - weekday) % 7
    if last <= today - wanted <= age:
        day = wanted
    at = day * DAY_MS + hour * HOUR_MS + minute_ms
    latest = now - last * DAY_MS - _LONGEST_MS
    if at > latest:
        at = latest - minute_ms
    return Session(
        at,
        products,
        carts,
        checks_out or buys,
        buys,
        coupon,
        refund_ms if buys and refunded else 0,
        price if in_test else "",
    )


def _visited(at: Instant, products: tuple[Product, ...], *, carts: bool = False, buys: bool = False) -> Session:
    return Session(at, products, carts=carts, checks_out=buys, buys=buys, coupon=False)


def _ada(now: Instant) -> _Diary:
    """Opens the app daily and buys every third day: a power user, a big spender on plan pro."""
    diary, phone, web = _Diary("ada"), Device("ada-phone", "ios", "DE"), Device("ada-web", "web", "DE")
    start = now - 30 * DAY_MS - 2 * HOUR_MS
    diary.visit(_visited(start - DAY_MS, CATALOGUE[3:5]), web)
    diary.sign_up(start, web, "ada", {"name": "Ada", "country": "DE", "plan": "pro"})
    diary.sign_up(start + MINUTE_MS, phone, "ada", {"name": "Ada", "country": "DE", "plan": "pro"})
    for ago in range(29, -1, -1):
        buys = ago % 3 == 0
        session = _visited(now - ago * DAY_MS - HOUR_MS, CATALOGUE[3:5], carts=buys, buys=buys)
        diary.visit(session, phone if ago % 2 else web)
    return diary


def _grace(now: Instant) -> _Diary:
    """Bought eight times, always with a coupon, and has been inactive for 40 days."""
    diary, web = _Diary("grace"), Device("grace-web", "web", "US")
    diary.sign_up(now - 60 * DAY_MS, web, "grace", {"name": "Grace", "country": "US", "plan": "free"})
    for order in range(8):
        at = now - (54 - 2 * order) * DAY_MS - 3 * HOUR_MS
        session = _visited(at, (CATALOGUE[2], CATALOGUE[7]), carts=True, buys=True)
        diary.visit(session._replace(coupon=True), web)
    return diary


def _linus(now: Instant) -> _Diary:
    """Came anonymously two days ago, signed up, and left a cart three hours ago.

    The phone's report was late."""
    diary, web, phone = _Diary("linus"), Device("linus-web", "web", "CH"), Device("linus-phone", "android", "CH")
    # The three visits are whole days apart, so that they fall on three consecutive days at any hour of seeding.
    last = now - 3 * HOUR_MS
    diary.visit(_visited(last - 2 * DAY_MS, CATALOGUE[:2]), web)
    traits = {"name": "Linus", "country": "CH", "plan": "free"}
    diary.sign_up(last - 2 * DAY_MS + HOUR_MS, web, "linus", traits)
    diary.sign_up(last - DAY_MS - MINUTE_MS, phone, "linus", traits)
    diary.visit(_visited(last - DAY_MS, CATALOGUE[5:7]), phone, late_ms=5 * HOUR_MS)
    diary.visit(_visited(last, (CATALOGUE[4],), carts=True), web)
    return diary
