-- The shop of the demonstration, and the customers who use it.
CREATE DATABASE shop CHARACTER SET utf8mb4;
CREATE DATABASE shop_tools;
CREATE USER cdc@'%' IDENTIFIED BY 'demo-secret';
GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO cdc@'%';
USE shop;

CREATE TABLE customers (
  id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(60) NOT NULL, email varchar(80), city varchar(40),
  created_at timestamp(3) NOT NULL DEFAULT current_timestamp(3)
);
CREATE TABLE products (
  sku char(8) PRIMARY KEY, title varchar(80) NOT NULL, price decimal(10,2) NOT NULL, stock int unsigned NOT NULL,
  attributes json
);
CREATE TABLE orders (
  id bigint AUTO_INCREMENT PRIMARY KEY, customer_id bigint NOT NULL,
  status enum('open','paid','shipped','returned') NOT NULL DEFAULT 'open', ordered_at datetime(6) NOT NULL, note text
);
CREATE TABLE order_items (
  order_id bigint, line smallint, sku char(8) NOT NULL, quantity int NOT NULL, price decimal(10,2) NOT NULL,
  PRIMARY KEY (order_id, line)
);

INSERT INTO customers (name, email, city)
SELECT concat('Customer ', seq), concat('c', seq, '@example.com'), elt(1 + seq % 5, 'Köln', 'São Paulo', '東京', 'Paris', NULL)
FROM seq_1_to_20000;
INSERT INTO products
SELECT concat('SKU', lpad(seq, 5, '0')), concat('Thing no. ', seq), 1 + seq % 500 + 0.99, 100000,
  json_object('weight', seq % 90, 'tags', json_array('a', seq % 7)) FROM seq_1_to_2000;
INSERT INTO orders (customer_id, status, ordered_at, note)
SELECT 1 + seq % 20000, 1 + seq % 4, '2026-01-01' + INTERVAL seq SECOND, if(seq % 9, NULL, 'please ring twice') FROM seq_1_to_40000;
INSERT INTO order_items
SELECT o.id, l.seq, concat('SKU', lpad(1 + (o.id * 7 + l.seq) % 2000, 5, '0')), 1 + o.id % 4, 9.99
FROM orders o JOIN seq_1_to_3 l;

CREATE TABLE shop_tools.control (stop int NOT NULL);
INSERT INTO shop_tools.control VALUES (0);

DELIMITER //
CREATE PROCEDURE shop_tools.live(seed int)
BEGIN
  DECLARE number bigint;
  DECLARE pick int;
  DECLARE CONTINUE HANDLER FOR 1213, 1205, 1020 ROLLBACK;
  DO rand(seed);
  WHILE (SELECT stop FROM shop_tools.control) = 0 DO
    SET pick = floor(rand() * 2000);
    START TRANSACTION;
    INSERT INTO shop.orders (customer_id, ordered_at, note) VALUES (1 + floor(rand() * 20000), now(6), elt(1 + floor(rand() * 8), 'express'));
    SET number = last_insert_id();
    INSERT INTO shop.order_items
      SELECT number, l.seq, concat('SKU', lpad(1 + (pick + l.seq) % 2000, 5, '0')), 1 + l.seq, 9.99 FROM seq_1_to_3 l;
    UPDATE shop.products SET stock = stock - 1, price = price * 1.0001 WHERE sku = concat('SKU', lpad(1 + pick, 5, '0'));
    COMMIT;
    UPDATE shop.orders SET status = 1 + floor(rand() * 4) WHERE id = number - floor(rand() * 30000);
    IF pick % 10 = 0 THEN
      START TRANSACTION;
      SET number = 1 + floor(rand() * 40000);
      DELETE FROM shop.order_items WHERE order_id = number;
      DELETE FROM shop.orders WHERE id = number;
      IF pick % 100 = 0 THEN ROLLBACK; ELSE COMMIT; END IF;
    END IF;
    IF pick % 25 = 0 THEN
      UPDATE shop.customers SET email = concat('moved', pick, '@example.com') WHERE id = 1 + floor(rand() * 20000);
      UPDATE shop.order_items SET line = 100 + line WHERE order_id = 1 + floor(rand() * 40000) AND line = 3;
    END IF;
    DO sleep(0.002);
  END WHILE;
END //
DELIMITER ;
