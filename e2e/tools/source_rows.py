"""Reads a MySQL, MariaDB or PostgreSQL table in one consistent snapshot, every value as exact text.

Source.cols maps a column to (kind, SQL expression). The kinds: int, bool, bit, real, decimal, date, datetime (no zone),
instant (a point in time, read in UTC), time, json, bytes (hex), text.
"""

import urllib.parse

MYSQL_BYTES = ("binary", "varbinary", "vector", "point", "linestring", "polygon")
COLUMNS = "select column_name, data_type from information_schema.columns where table_schema=%s and table_name=%s order by ordinal_position"
CHECKS = "select check_clause from information_schema.check_constraints where constraint_schema=%s and table_name=%s"
PRIMARY_KEY = """select k.column_name
from information_schema.table_constraints c
join information_schema.key_column_usage k
  on k.constraint_name=c.constraint_name and k.table_schema=c.table_schema and k.table_name=c.table_name
where c.constraint_type='PRIMARY KEY' and c.table_schema=%s and c.table_name=%s and k.table_schema=%s and k.table_name=%s
order by k.ordinal_position"""  # both are named: MariaDB would open every table of the server


def mysql_kind(t):
    """(kind, the SQL expression that yields its exact text)"""
    if t in ("tinyint", "smallint", "mediumint", "int", "bigint", "year"):
        return "int", "{}"
    exact = {
        "decimal": ("decimal", "CAST({} AS CHAR)"),
        "float": ("real", "{}*1e0"),  # a double: the text of a FLOAT has six digits only; -0.0 + 0 is 0
        "double": ("real", "{}*1e0"),  # the text of a DOUBLE(n,d) has d digits only
        "bit": ("bit", "{}+0"),
        "json": ("json", "{}"),
        "date": ("date", "CAST({} AS CHAR)"),
        "datetime": ("datetime", "CAST({} AS CHAR)"),
        "timestamp": ("instant", "CAST({} AS CHAR)"),
        "time": ("time", "CAST({} AS CHAR)"),
    }
    if t in exact:
        return exact[t]
    if t in MYSQL_BYTES or t.endswith("blob") or t.startswith(("multi", "geom")):
        return "bytes", "HEX({})"
    if t in ("enum", "set", "uuid", "inet4", "inet6"):
        return "text", "CAST({} AS CHAR CHARACTER SET utf8mb4)"
    return "text", "CONVERT({} USING utf8mb4)"


def pg_kind(t):
    if t in ("smallint", "integer", "bigint", "oid"):
        return "int", "{}::text"
    return {
        "boolean": ("bool", "{}::int::text"),
        "numeric": ("decimal", "{}::text"),
        "real": ("real", "{}::float8::text"),
        "double precision": ("real", "{}::text"),
        "date": ("date", "{}::text"),
        "timestamp without time zone": ("datetime", "{}::text"),
        "timestamp with time zone": ("instant", "({} AT TIME ZONE 'UTC')::text"),
        "time without time zone": ("time", "{}::text"),
        "json": ("json", "{}::text"),
        "jsonb": ("json", "{}::text"),
        "bytea": ("bytes", "encode({}, 'hex')"),
        "character": ("text", "{}"),
    }.get(t, ("text", "{}::text"))


class Source:
    """mysql://user:pass@host:port/db/table[?socket=path] or postgres://.../db/schema.table, names percent-encoded"""

    def __init__(self, url, where=None):
        u = urllib.parse.urlsplit(url)
        db, _, table = u.path.strip("/").partition("/")
        db, table = urllib.parse.unquote(db), urllib.parse.unquote(table)
        opt = dict(urllib.parse.parse_qsl(u.query))
        self.my, self.where = u.scheme in ("mysql", "mariadb"), where
        if self.my:
            import pymysql

            self.c = pymysql.connect(
                host=u.hostname or "127.0.0.1",
                port=u.port or 3306,
                user=u.username,
                password=urllib.parse.unquote(u.password or ""),
                database=db,
                unix_socket=opt.get("socket"),
                charset="utf8mb4",
                conv=pymysql.converters.encoders.copy(),
            )
            self.schema, self.name, q = db, table, "`"
        else:
            import psycopg

            self.c = psycopg.connect(
                host=u.hostname,
                port=u.port or 5432,
                user=u.username,
                password=urllib.parse.unquote(u.password or "") or None,
                dbname=db,
                autocommit=True,
            )
            self.schema, _, self.name = ("public." + table if "." not in table else table).partition(".")
            q = '"'
        self.quote = lambda n: q + n.replace(q, q + q) + q
        at = (self.schema, self.name)
        cols = self.ask(COLUMNS, at)
        if not cols:
            raise LookupError(f"no table {self.schema}.{self.name} at the source")
        self.cols = {str(n): (mysql_kind if self.my else pg_kind)(str(t).lower()) for n, t in cols}
        if self.my and "MariaDB" in str(self.ask("select version()")[0][0]):  # its json is longtext with a check
            checks = " ".join(str(r[0]) for r in self.ask(CHECKS, at))
            self.cols |= {n: ("json", "{}") for n in self.cols if f"json_valid(`{n}`)" in checks}
        self.pk = [str(r[0]) for r in self.ask(PRIMARY_KEY, at + at)]

    def ask(self, sql, args=None):
        cur = self.c.cursor()
        cur.execute(sql, args)
        return cur.fetchall()

    def rows(self):
        for s in (
            [
                "SET time_zone='+00:00'",
                "SET SESSION sql_mode=''",
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                "START TRANSACTION WITH CONSISTENT SNAPSHOT",
            ]
            if self.my
            else [
                "SET timezone='UTC'",
                "SET datestyle='ISO'",
                "SET extra_float_digits=1",
                "SET intervalstyle='iso_8601'",
                "BEGIN ISOLATION LEVEL REPEATABLE READ",
            ]
        ):
            self.c.cursor().execute(s)
        e = ",".join(x.format(self.quote(n)) for n, (_, x) in self.cols.items())
        out = self.ask(
            f"select {e} from {self.quote(self.schema)}.{self.quote(self.name)}" + (f" where {self.where}" if self.where else "")
        )
        self.c.cursor().execute("ROLLBACK")
        return [[v if v is None or isinstance(v, str) else v.decode() if isinstance(v, bytes) else str(v) for v in r] for r in out]
