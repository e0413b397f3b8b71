-- Statements about table t, one a line, that real servers judge. A CREATE begins anew.
CREATE TABLE t (id int PRIMARY KEY)
ALTER TABLE t ADD a int
ALTER TABLE t ADD b varchar(10) FIRST, ADD c text AFTER id
ALTER TABLE t RENAME COLUMN a TO b, RENAME COLUMN b TO a
ALTER TABLE t CHANGE a b int, CHANGE b a varchar(10)
ALTER TABLE t DROP c, ADD c int FIRST
ALTER TABLE t ADD d int AFTER c, DROP c
ALTER TABLE t ADD d int AFTER c
ALTER TABLE t DROP c
ALTER TABLE t MODIFY b bigint AFTER id, MODIFY id bigint AFTER d
ALTER TABLE t ADD x int AFTER y, ADD y int
ALTER TABLE t ADD y int, ADD x int AFTER y
ALTER TABLE t RENAME COLUMN x TO z, ADD w int AFTER z
ALTER TABLE t ADD v int AFTER q, RENAME COLUMN w TO q
ALTER TABLE t MODIFY id int unsigned
ALTER TABLE t DROP PRIMARY KEY
ALTER TABLE t ADD PRIMARY KEY (y, id)
ALTER TABLE t DROP COLUMN y, DROP PRIMARY KEY, ADD PRIMARY KEY (id)
ALTER TABLE t ADD COLUMN IF NOT EXISTS id int, ADD COLUMN IF NOT EXISTS n1 int
ALTER TABLE t DROP COLUMN IF EXISTS nope, DROP COLUMN IF EXISTS n1
ALTER TABLE t MODIFY COLUMN IF EXISTS nope int, CHANGE COLUMN IF EXISTS nope2 nope3 int
ALTER TABLE t ALTER COLUMN d SET INVISIBLE
ALTER TABLE t ALTER COLUMN d SET VISIBLE
ALTER TABLE t ALTER d SET DEFAULT 5, ALTER d DROP DEFAULT
ALTER TABLE t ADD (m1 int, m2 varchar(3) NOT NULL DEFAULT 'x', UNIQUE (m2), KEY (m1))
ALTER TABLE t ADD g1 int GENERATED ALWAYS AS (d + 1) VIRTUAL, ADD g2 int AS (d + 2) STORED
ALTER TABLE t COMMENT 'a, b', ENGINE=InnoDB ROW_FORMAT=DYNAMIC
ALTER TABLE t FORCE
ALTER TABLE t
ALTER TABLE t DEFAULT CHARACTER SET latin1, ADD lat text
ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4
ALTER TABLE t CHANGE `id` `ID` int unsigned
ALTER TABLE t ORDER BY d, q DESC
CREATE UNIQUE INDEX u ON t (id, d)
DROP INDEX u ON t
CREATE TABLE t (a int(10) unsigned zerofill, b tinyint(1), c bool, d bit(1), f decimal, g dec(5), h numeric(12,2), i fixed(65,30), j float(24), k float(53), l float(7,3), m double precision, n real, o int8, p int3 unsigned, q middleint, r integer signed, s int1, t int2, u int4)
CREATE TABLE t (e serial, a int(5) zerofill, b bigint zerofill, c tinyint unsigned zerofill, d smallint, f mediumint, g tinyint(1) unsigned, h tinyint(2), i double(10,2), j float4, k float8, l decimal(0), m decimal(5,5) unsigned)
ALTER TABLE t MODIFY e int, ADD z serial
ALTER TABLE t DROP e, ADD z serial
CREATE TABLE t (a char, b char(10) binary, c char byte, d national varchar(10), e nchar(3), f nvarchar(4), g national char varying(7), h character varying(8), i long varchar, j long varbinary, k long, l varchar(10) character set latin1 collate latin1_bin, m text(100), n text(1000) charset utf8mb3, o longtext ascii, p char(2) unicode, q nchar varchar(5), r national character(2))
ALTER TABLE t CONVERT TO CHARACTER SET latin1
CREATE TABLE t (a enum('a','it''s','b,c', 'tr  ', "dq", x'41', 'back\\slash', 'nl\n'), b set('x','y'), c enum('ä','') collate utf8mb4_bin, d set('ü ','''') charset latin1)
CREATE TABLE t (a binary, b binary(16), c varbinary(20), d blob, e tinyblob, f blob(70000), g mediumblob, h longblob, i char(5) character set binary, j varchar(5) charset binary, k text character set binary, l tinytext, m mediumtext, n longtext, o text(70000))
CREATE TABLE t (a date, b time, c time(3), d datetime(6), e timestamp(0) null, f timestamp(6) null, g year(4), h json, i year)
CREATE TABLE t (a geometry, b point, c linestring, d polygon, e multipoint, f multilinestring, g multipolygon, h geometrycollection)
CREATE TABLE t (a vector(3), b vector(5) not null)
CREATE TABLE t (a uuid, b inet6, c inet4)
CREATE TABLE t (a varchar(100) compressed, b blob compressed=zlib, c varchar(10) compressed default 'x', d text compressed)
CREATE TABLE t (a point srid 4326, b point not null srid 0)
CREATE TABLE t (a timestamp, b timestamp null, c timestamp not null default '2020-01-01 00:00:00')
CREATE TABLE t (a int not null, b int not null, unique key u (b desc, a asc), unique v (a), index (b), key k using btree (a), fulltext key ft (c), constraint pk primary key using btree (b, a), c text, constraint chk check (a > 0), check ((b > 0)))
ALTER TABLE t DROP PRIMARY KEY, DROP INDEX v
CREATE TABLE t (a varchar(10) not null, b int not null, primary key (a(3)), unique (a(4)), unique (b), unique (a))
CREATE TABLE t (a int, b int not null, c int not null, unique (a), unique (c, b), unique (b))
ALTER TABLE t MODIFY c bigint not null FIRST
ALTER TABLE t RENAME COLUMN c TO b, RENAME COLUMN b TO c
ALTER TABLE t ADD PRIMARY KEY (a)
CREATE TABLE t (a int unique, b int not null unique key comment 'x', c int)
CREATE TABLE t (a int key, b int)
CREATE TABLE t (a int auto_increment primary key, b int references t (a) on delete cascade, c int check (c > 0), d varchar(5) collate utf8mb4_bin not null unique)
CREATE TABLE t (a int default 1, b int default -1, c int default +2, d decimal(3,2) default .5, e decimal(3,2) default -.5, f float default 1e10, g float default 1.5e-3, h varchar(5) default 'a' 'b', i varchar(5) default _utf8mb4'x', j varchar(5) default n'y', k bit(4) default b'101', l varbinary(3) default x'4142', m int default 0x1F, n bool default true, p datetime default '2020-01-02', q int default null)
CREATE TABLE t (r timestamp default now() on update now(), s timestamp(3) default current_timestamp(3) on update current_timestamp(3), u datetime default localtime, v varchar(36) default (uuid()), w int default (1 + 2), x text default ('x'))
CREATE TABLE t (a int, b int) engine innodb, max_rows 5 min_rows=1 partition by range (a) subpartition by hash (b) (partition p0 values less than (10), partition p1 values less than maxvalue)
ALTER TABLE t TRUNCATE PARTITION p0
ALTER TABLE t REORGANIZE PARTITION p0, p1 INTO (PARTITION p2 VALUES LESS THAN MAXVALUE)
ALTER TABLE t ADD c int REMOVE PARTITIONING
ALTER TABLE t ADD d int REMOVE PARTITIONING
ALTER TABLE t ADD d int PARTITION BY HASH (a) PARTITIONS 2
ALTER TABLE t ADD d2 int PARTITION BY HASH (a) PARTITIONS 2
ALTER TABLE t COALESCE PARTITION 1
ALTER TABLE t REBUILD PARTITION ALL
CREATE TABLE t (`order` int, `we``ird` int, `a.b` int, `😀` varchar(3), `unicode ü` int, größe int, 1a int, a$b int, `select` int, ` x` int, primary key (`unicode ü`, 1a))
CREATE TABLE t (`order` int, `we``ird` int, `a.b` int, `unicode ü` int, größe int, 1a int, a$b int, `select` int, ` x` int, primary key (`unicode ü`, 1a))
ALTER TABLE t RENAME COLUMN `we``ird` TO `"`, DROP größe, ADD `,` int AFTER `select`, ADD `(` int AFTER `,`
CREATE TABLE t (comment text, date date, time time, type int, status int, data json, `key` int, value int, year year, timestamp timestamp null, text text, enum enum('a'), name varchar(5), action int, at int, bit bit, datetime datetime, no int)
ALTER TABLE t DROP comment, ADD comment int AFTER date, MODIFY data int, CHANGE name action2 int, DROP COLUMN type, DROP no, ADD first int, ADD after int AFTER first
CREATE TABLE t (a int /*!80023 INVISIBLE */, b int /*!50699 not null */, c int /*M! not null */, d int /*! not null */, e int /*!50701 not null */, f int /*!100100 not null */, g int /*M!100200 not null */)
ALTER TABLE /* x */ t -- y
ALTER TABLE t/**/ADD/**/x/* , b */int
ALTER TABLE t ADD y int # , ADD z int
/*! ALTER TABLE t ADD z int */;
/*!50100 ALTER TABLE t ADD z2 int */
/* ApplicationName=x */ ALTER TABLE t ADD z3 int
SET STATEMENT lock_wait_timeout=5 FOR ALTER TABLE t ADD z4 int
ALTER TABLE t RENAME COLUMN a TO `A`
ALTER TABLE t ADD INDEX i (d), ADD zz int
ALTER TABLE t RENAME INDEX i TO j
ALTER TABLE t MODIFY a varchar(10) NOT NULL DEFAULT 'x', ADD UNIQUE (a)
CREATE TABLE t (a varchar(10), b text, c char(3) charset utf8mb4, d enum('x') charset latin1) charset latin1
ALTER TABLE t CONVERT TO CHARACTER SET utf8mb3
ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4
ALTER TABLE t CONVERT TO CHARACTER SET latin1
ALTER TABLE t CHARSET binary, ADD e char(4), ADD f text, ADD g enum('b')
CREATE TABLE t (a text, b varchar(4), c tinytext) collate utf8mb4_bin
ALTER TABLE t CONVERT TO CHARACTER SET binary
CREATE TABLE t (a int not null auto_increment, b int, primary key (a), key (b)) auto_increment=5 avg_row_length=9 checksum=0 comment 'x, (y' compression='none' delay_key_write=0 insert_method=no key_block_size=0 pack_keys=default row_format=compact stats_persistent=1 stats_auto_recalc=default stats_sample_pages=8
CREATE TABLE t (a int invisible, b int default 5 invisible not null, c int)
CREATE TABLE t (a int as (b) persistent, b int)
CREATE TABLE t (a int, b int generated always as (a + 1) stored not null, c varchar(9) generated always as (concat('a', ',', ')')) virtual comment 'x')
ALTER TABLE t MODIFY b int GENERATED ALWAYS AS (a + 1) STORED AFTER c, DROP c
ALTER TABLE t DROP b
CREATE TABLE t (a char(0), b varchar(0), c binary(0), d bit(64), e varchar(255) binary, f char(255) charset ascii, g double unsigned, h float unsigned zerofill)
CREATE TABLE t (a varchar(10) collate latin1_german1_ci, b varchar(10) charset sjis, c text charset gbk, d varchar(5) collate ucs2_bin, e text charset utf16, f varchar(5) collate utf8mb4_general_ci, g varchar(3) collate binary, h text charset utf8mb4 collate utf8mb4_unicode_ci)
ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
CREATE TABLE t (id int, d int, primary key (id, d))
ALTER TABLE t MODIFY id bigint NOT NULL AUTO_INCREMENT, MODIFY d datetime(3)
ALTER TABLE t DROP d
ALTER TABLE t DROP PRIMARY KEY, MODIFY id bigint
ALTER TABLE t ADD u int NOT NULL UNIQUE FIRST
ALTER TABLE t ADD CONSTRAINT pk PRIMARY KEY USING BTREE (id)
ALTER TABLE t DROP INDEX `PRIMARY`
ALTER TABLE t ADD pk int AUTO_INCREMENT PRIMARY KEY FIRST, DROP id
ALTER TABLE t ADD x int NOT NULL DEFAULT 1, ADD y int, ALGORITHM=INPLACE, LOCK=NONE
ALTER TABLE t ADD x2 int, ALGORITHM=INSTANT
ALTER TABLE t DISABLE KEYS
ALTER TABLE t ADD INDEX (x), ADD INDEX i2 USING BTREE (y DESC) COMMENT 'a, b', ADD CONSTRAINT c1 CHECK (x IN (1, 2, 3))
ALTER TABLE t DROP CONSTRAINT c1
ALTER TABLE t AUTO_INCREMENT 100, COMMENT ''
CREATE OR REPLACE TABLE t (a int)
ALTER IGNORE TABLE t ADD b int
ALTER ONLINE TABLE t ADD c int
ALTER TABLE IF EXISTS t ADD d int
ALTER TABLE t WAIT 5 ADD e int
