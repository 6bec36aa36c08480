"""The story of a Django application with CONN_MAX_AGE: migrations, the ORM,
transactions with savepoints, cursors on the server inside and outside of a
transaction, row locks, session time zone; then a crowd of its threads."""

import datetime
import os
import threading
import urllib.parse

import django
from django.conf import settings

CLIENTS = int(os.environ["STORY_CLIENTS"])
url = urllib.parse.urlsplit(os.environ["DATABASE_URL"])
ours = {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": None,
        "HOST": url.hostname, "PORT": url.port, "NAME": url.path[1:],
        "USER": urllib.parse.unquote(url.username),
        "PASSWORD": urllib.parse.unquote(url.password)}
settings.configure(
    DATABASES={"default": ours,
               "naytife": {**ours, "TIME_ZONE": "Africa/Lagos", "OPTIONS": {
                   "options": "-c search_path=naytife_schema,public",
                   "isolation_level": 3}}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth",
                    "django.contrib.sessions", "django.contrib.postgres"],
    TIME_ZONE="Europe/Berlin", USE_TZ=True,
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField")
django.setup()

from django.contrib.auth.models import Group, Permission, User  # noqa: E402
from django.contrib.postgres.fields import ArrayField  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import (connection, connections, models,  # noqa: E402
                       transaction, utils)
from django.db.models import Count, F, Q, Window  # noqa: E402
from django.db.models.functions import RowNumber  # noqa: E402


class Part(models.Model):
    name = models.TextField(unique=True)
    doc = models.JSONField(null=True)
    tags = ArrayField(models.TextField(), default=list)
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    at = models.DateTimeField(null=True)
    owner = models.ForeignKey(User, models.CASCADE, null=True)

    class Meta:
        app_label = "auth"


def tell(subject, *what):
    print(f"{subject}:", *what, flush=True)


def error_of(call, *args, **more):
    try:
        call(*args, **more)
    except utils.Error as error:
        return f"{error.__cause__.pgcode} {type(error).__name__}"
    return "no error"


def one(text, using=connection, values=()):
    with using.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchone()


def migrate():
    call_command("migrate", verbosity=0)
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(Part)
    field = models.TextField(default="ü")
    field.set_attributes_from_name("extra")
    with connection.schema_editor() as editor:
        editor.add_field(Part, field)
        editor.remove_field(Part, field)
    tell("migrate", sorted(connection.introspection.table_names())[:8],
         Permission.objects.count())
    call_command("migrate", "sessions", "zero", verbosity=0)
    tell("migrate", error_of(one, "select * from django_session"))
    call_command("migrate", verbosity=0)


def rows():
    user = User.objects.create_user("one", password="x")
    Part.objects.create(name="one ü", doc={"k": [1, None]}, tags=["a", 'b"'],
                        price="1.50", owner=user, at=datetime.datetime(
                            2024, 2, 29, tzinfo=datetime.timezone.utc))
    Part.objects.bulk_create([Part(name=f"part {i}") for i in range(300)],
                             batch_size=70)
    Part.objects.bulk_create([Part(name="one ü")], ignore_conflicts=True)
    got = Part.objects.select_related("owner").get(doc__k__0=1)
    tell("get", got.tags, got.price, got.at, got.owner.username,
         Part.objects.filter(tags__contains=["a"]).count())
    tell("get", error_of(Part.objects.create, name="one ü"))
    tell("get", Part.objects.get_or_create(name="one ü")[1],
         Part.objects.update_or_create(name="new", defaults={"price": 2})[1])
    tell("update", Part.objects.filter(Q(name="new")).update(
        price=F("price") + 1), Part.objects.get(name="new").price)
    tell("window", list(Part.objects.annotate(n=Window(
        RowNumber(), order_by=F("name").desc())).values_list("n", "name")[:2]))
    tell("group", list(User.objects.annotate(n=Count("part"))
                       .values_list("username", "n")))
    tell("zone", one("show timezone"), one("show timezone",
                                           connections["naytife"]))
    tell("path", one("select name from product"),
         one("select name from product", connections["naytife"]))


def cursors():
    # Outside of a transaction Django declares it WITH HOLD.
    rows = Part.objects.order_by("id").iterator(chunk_size=50)
    tell("cursor", [next(rows).name for _ in range(3)],
         Part.objects.count(), sum(1 for _ in rows))
    with transaction.atomic():
        rows = Part.objects.order_by("id").iterator(chunk_size=50)
        tell("cursor", next(rows).name, Part.objects.count(),
             sum(1 for _ in rows))


def transactions():
    with transaction.atomic():
        Group.objects.create(name="outer")
        try:
            with transaction.atomic():
                Group.objects.create(name="inner")
                Group.objects.create(name="outer")
        except utils.IntegrityError as error:
            tell("transaction", error.__cause__.pgcode)
        tell("transaction", sorted(Group.objects.values_list("name",
                                                             flat=True)))
        transaction.on_commit(lambda: tell("transaction", "committed"))
        tell("lock", Group.objects.select_for_update(skip_locked=True)
             .get(name="outer").name)
    with transaction.atomic():
        Group.objects.create(name="never")
        transaction.set_rollback(True)
    tell("transaction", Group.objects.count())
    with transaction.atomic(using="naytife"):
        tell("transaction", one("show transaction_isolation",
                                connections["naytife"]))
    tell("transaction", error_of(one, "select 1/0"))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("set constraints all immediate")
        cursor.execute("set local time zone 'Asia/Tokyo'")
        tell("zone", one("show timezone"))
    tell("zone", one("show timezone"))


def lock():
    tell("advisory", one("select pg_try_advisory_lock(5)"))
    seen = []
    thread = threading.Thread(target=lambda: (seen.append(one(
        "select pg_try_advisory_lock(5)")), connections.close_all()))
    thread.start()
    thread.join()
    tell("advisory", seen, one("select pg_advisory_unlock(5)"))


def work(number, lines):
    for turn in range(5):
        with transaction.atomic():
            part = Part.objects.create(name=f"{number} {turn}")
            Part.objects.filter(pk=part.pk).update(price=turn)
            lines.append(str(Part.objects.select_for_update()
                             .get(pk=part.pk).price))
        lines.append(error_of(one, "select 1/%s", values=(0,)))
        lines.append(Part.objects.get(name=f"{number} {turn}").price)
        lines.append(one("select name from product",
                         connections["naytife"])[0])
        # Outside of a transaction each would need a server to itself.
        with transaction.atomic():
            lines.append(sum(1 for _ in Part.objects.filter(
                name__startswith="part").iterator(chunk_size=100)))
    connections.close_all()


def crowd():
    seen = [[] for _ in range(CLIENTS)]
    threads = [threading.Thread(target=work, args=(i, seen[i]))
               for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, lines in enumerate(seen):
        tell(f"crowd {number}", *lines)
    tell("crowd", Part.objects.count())


for chapter in (migrate, rows, cursors, transactions, lock, crowd):
    chapter()
connections.close_all()
