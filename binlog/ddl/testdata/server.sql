-- Statements about table t, one a line, that real servers judge.
CREATE TABLE t (id int PRIMARY KEY)
