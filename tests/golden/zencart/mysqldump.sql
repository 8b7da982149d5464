/*M!999999\- enable the sandbox mode */ 
-- MariaDB dump 10.19  Distrib 10.11.19-MariaDB, for debian-linux-gnu (x86_64)
--
-- Host: localhost    Database: shop
-- ------------------------------------------------------
-- Server version	10.11.19-MariaDB-0+deb12u1

/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET @OLD_CHARACTER_SET_RESULTS=@@CHARACTER_SET_RESULTS */;
/*!40101 SET @OLD_COLLATION_CONNECTION=@@COLLATION_CONNECTION */;
/*!40101 SET NAMES utf8mb4 */;
/*!40103 SET @OLD_TIME_ZONE=@@TIME_ZONE */;
/*!40103 SET TIME_ZONE='+00:00' */;
/*!40014 SET @OLD_UNIQUE_CHECKS=@@UNIQUE_CHECKS, UNIQUE_CHECKS=0 */;
/*!40014 SET @OLD_FOREIGN_KEY_CHECKS=@@FOREIGN_KEY_CHECKS, FOREIGN_KEY_CHECKS=0 */;
/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_AUTO_VALUE_ON_ZERO' */;
/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;

--
-- Table structure for table `orders`
--

DROP TABLE IF EXISTS `orders`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `orders` (
  `orders_id` int(11) NOT NULL AUTO_INCREMENT,
  `customers_id` int(11) NOT NULL DEFAULT 0,
  `customers_name` varchar(64) NOT NULL DEFAULT '',
  `customers_company` varchar(64) DEFAULT NULL,
  `customers_street_address` varchar(128) NOT NULL DEFAULT '',
  `customers_suburb` varchar(128) DEFAULT NULL,
  `customers_city` varchar(128) NOT NULL DEFAULT '',
  `customers_postcode` varchar(64) NOT NULL DEFAULT '',
  `customers_state` varchar(128) DEFAULT NULL,
  `customers_country` varchar(64) NOT NULL DEFAULT '',
  `customers_telephone` varchar(32) NOT NULL DEFAULT '',
  `customers_email_address` varchar(96) NOT NULL DEFAULT '',
  `customers_address_format_id` int(5) NOT NULL DEFAULT 0,
  `delivery_name` varchar(64) NOT NULL DEFAULT '',
  `delivery_company` varchar(64) DEFAULT NULL,
  `delivery_street_address` varchar(128) NOT NULL DEFAULT '',
  `delivery_suburb` varchar(128) DEFAULT NULL,
  `delivery_city` varchar(128) NOT NULL DEFAULT '',
  `delivery_postcode` varchar(64) NOT NULL DEFAULT '',
  `delivery_state` varchar(128) DEFAULT NULL,
  `delivery_country` varchar(64) NOT NULL DEFAULT '',
  `delivery_address_format_id` int(5) NOT NULL DEFAULT 0,
  `billing_name` varchar(64) NOT NULL DEFAULT '',
  `billing_company` varchar(64) DEFAULT NULL,
  `billing_street_address` varchar(128) NOT NULL DEFAULT '',
  `billing_suburb` varchar(128) DEFAULT NULL,
  `billing_city` varchar(128) NOT NULL DEFAULT '',
  `billing_postcode` varchar(64) NOT NULL DEFAULT '',
  `billing_state` varchar(128) DEFAULT NULL,
  `billing_country` varchar(64) NOT NULL DEFAULT '',
  `billing_address_format_id` int(5) NOT NULL DEFAULT 0,
  `payment_method` varchar(128) NOT NULL DEFAULT '',
  `payment_module_code` varchar(32) NOT NULL DEFAULT '',
  `shipping_method` varchar(255) DEFAULT NULL,
  `shipping_module_code` varchar(32) NOT NULL DEFAULT '',
  `coupon_code` varchar(32) NOT NULL DEFAULT '',
  `cc_type` varchar(20) DEFAULT NULL,
  `cc_owner` varchar(64) DEFAULT NULL,
  `cc_number` varchar(32) DEFAULT NULL,
  `cc_expires` varchar(4) DEFAULT NULL,
  `cc_cvv` blob DEFAULT NULL,
  `last_modified` datetime DEFAULT NULL,
  `date_purchased` datetime DEFAULT NULL,
  `orders_status` int(5) NOT NULL DEFAULT 0,
  `orders_date_finished` datetime DEFAULT NULL,
  `currency` char(4) DEFAULT NULL,
  `currency_value` decimal(14,6) DEFAULT NULL,
  `order_total` decimal(15,4) DEFAULT NULL,
  `order_tax` decimal(15,4) DEFAULT NULL,
  `shipping_tax_rate` decimal(15,4) DEFAULT NULL,
  `paypal_ipn_id` int(11) NOT NULL DEFAULT 0,
  `ip_address` varchar(96) NOT NULL DEFAULT '',
  `order_weight` float DEFAULT NULL,
  `language_code` char(2) NOT NULL DEFAULT '',
  `is_wholesale` tinyint(1) DEFAULT NULL,
  PRIMARY KEY (`orders_id`),
  KEY `idx_status_orders_cust_zen` (`orders_status`,`orders_id`,`customers_id`),
  KEY `idx_date_purchased_zen` (`date_purchased`),
  KEY `idx_cust_id_orders_id_zen` (`customers_id`,`orders_id`),
  KEY `idx_status_date_id_zen` (`orders_status`,`date_purchased`,`orders_id`)
) ENGINE=MyISAM AUTO_INCREMENT=1010 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `orders`
--

LOCK TABLES `orders` WRITE;
/*!40000 ALTER TABLE `orders` DISABLE KEYS */;
INSERT INTO `orders` VALUES
(1001,7,'Anna Berg',NULL,'Main St 1; \'rear\'',NULL,'','',NULL,'','','anna@shop.example',0,'',NULL,'',NULL,'','',NULL,'',0,'',NULL,'',NULL,'','',NULL,'',0,'','',NULL,'','',NULL,NULL,NULL,NULL,'\0ÿ\'',NULL,'2026-03-20 10:00:00',2,NULL,NULL,NULL,NULL,NULL,NULL,0,'',NULL,'de',NULL),
(1002,8,'Ben',NULL,'',NULL,'','',NULL,'','','ben@shop.example',0,'',NULL,'',NULL,'','',NULL,'',0,'',NULL,'',NULL,'','',NULL,'',0,'','',NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,'2026-03-20 10:00:00',1,NULL,NULL,NULL,NULL,NULL,NULL,0,'',NULL,'en',NULL),
(1003,9,'O\'Brien \"Bob\" \\ SÃ¶hne\nline two',NULL,'',NULL,'','',NULL,'','','bob@shop.example',0,'',NULL,'',NULL,'','',NULL,'',0,'',NULL,'',NULL,'','',NULL,'',0,'','',NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,'2026-03-20 10:00:00',4,NULL,NULL,NULL,NULL,NULL,NULL,0,'',NULL,'en',NULL),
(1004,9,'Bob',NULL,'',NULL,'','',NULL,'','','bob@shop.example',0,'',NULL,'',NULL,'','',NULL,'',0,'',NULL,'',NULL,'','',NULL,'',0,'','',NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,'2026-03-20 10:00:00',5,NULL,NULL,NULL,NULL,NULL,NULL,0,'',NULL,'en',NULL),
(1005,10,'Cy',NULL,'',NULL,'','',NULL,'','','cy@shop.example',0,'',NULL,'',NULL,'','',NULL,'',0,'',NULL,'',NULL,'','',NULL,'',0,'','',NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,'0000-00-00 00:00:00',3,NULL,NULL,NULL,NULL,NULL,NULL,0,'',NULL,'en',NULL),
(1006,11,'Di',NULL,'',NULL,'','',NULL,'','','di@shop.example',0,'',NULL,'',NULL,'','',NULL,'',0,'',NULL,'',NULL,'','',NULL,'',0,'','',NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,'2026-03-28 23:30:00',2,NULL,NULL,NULL,NULL,NULL,NULL,0,'',NULL,'en',NULL),
(1007,11,'Di',NULL,'',NULL,'','',NULL,'','','di@shop.example',0,'',NULL,'',NULL,'','',NULL,'',0,'',NULL,'',NULL,'','',NULL,'',0,'','',NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,'2026-10-24 00:10:00',2,NULL,NULL,NULL,NULL,NULL,NULL,0,'',NULL,'en',NULL),
(1008,11,'Di',NULL,'',NULL,'','',NULL,'','','di@shop.example',0,'',NULL,'',NULL,'','',NULL,'',0,'',NULL,'',NULL,'','',NULL,'',0,'','',NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,NULL,2,NULL,NULL,NULL,NULL,NULL,NULL,0,'',NULL,'en',NULL),
(1009,12,'Eve, no downloads',NULL,'',NULL,'','',NULL,'','','eve@shop.example',0,'',NULL,'',NULL,'','',NULL,'',0,'',NULL,'',NULL,'','',NULL,'',0,'','',NULL,'','',NULL,NULL,NULL,NULL,NULL,NULL,'2026-03-20 10:00:00',2,NULL,NULL,NULL,NULL,NULL,NULL,0,'',NULL,'en',NULL);
/*!40000 ALTER TABLE `orders` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `orders_products`
--

DROP TABLE IF EXISTS `orders_products`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `orders_products` (
  `orders_products_id` int(11) NOT NULL AUTO_INCREMENT,
  `orders_id` int(11) NOT NULL DEFAULT 0,
  `products_id` int(11) NOT NULL DEFAULT 0,
  `products_model` varchar(32) DEFAULT NULL,
  `products_name` varchar(191) NOT NULL DEFAULT '',
  `products_price` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `final_price` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `products_tax` decimal(7,4) NOT NULL DEFAULT 0.0000,
  `products_quantity` float NOT NULL DEFAULT 0,
  `onetime_charges` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `products_priced_by_attribute` tinyint(1) NOT NULL DEFAULT 0,
  `product_is_free` tinyint(1) NOT NULL DEFAULT 0,
  `products_discount_type` tinyint(1) NOT NULL DEFAULT 0,
  `products_discount_type_from` tinyint(1) NOT NULL DEFAULT 0,
  `products_prid` tinytext NOT NULL,
  `products_weight` float DEFAULT NULL,
  `products_virtual` tinyint(1) DEFAULT NULL,
  `product_is_always_free_shipping` tinyint(1) DEFAULT NULL,
  `products_quantity_order_min` float DEFAULT NULL,
  `products_quantity_order_units` float DEFAULT NULL,
  `products_quantity_order_max` float DEFAULT NULL,
  `products_quantity_mixed` tinyint(1) DEFAULT NULL,
  `products_mixed_discount_quantity` tinyint(1) DEFAULT NULL,
  PRIMARY KEY (`orders_products_id`),
  KEY `idx_orders_id_prod_id_zen` (`orders_id`,`products_id`),
  KEY `idx_prod_id_orders_id_zen` (`products_id`,`orders_id`)
) ENGINE=MyISAM AUTO_INCREMENT=111 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `orders_products`
--

LOCK TABLES `orders_products` WRITE;
/*!40000 ALTER TABLE `orders_products` DISABLE KEYS */;
INSERT INTO `orders_products` VALUES
(101,1001,12,NULL,'The book, \"large\"',0.0000,0.0000,0.0000,1,0.0000,0,0,0,0,'12:0cc175b9c0f1b6a831c399e269772661',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(102,1002,12,NULL,'The book, \"large\"',0.0000,0.0000,0.0000,1,0.0000,0,0,0,0,'12',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(103,1003,12,NULL,'The book, \"large\"',0.0000,0.0000,0.0000,1,0.0000,0,0,0,0,'12',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(104,1004,12,NULL,'The book, \"large\"',0.0000,0.0000,0.0000,1,0.0000,0,0,0,0,'12',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(105,1005,12,NULL,'The book, \"large\"',0.0000,0.0000,0.0000,1,0.0000,0,0,0,0,'12',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(106,1006,13,NULL,'Song',0.0000,0.0000,0.0000,1,0.0000,0,0,0,0,'13',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(107,1007,13,NULL,'Song',0.0000,0.0000,0.0000,1,0.0000,0,0,0,0,'13',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(108,1008,13,NULL,'Song',0.0000,0.0000,0.0000,1,0.0000,0,0,0,0,'13',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(109,1009,14,NULL,'A mug',0.0000,0.0000,0.0000,2,0.0000,0,0,0,0,'14',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
(110,1001,13,NULL,'Song',0.0000,0.0000,0.0000,3,0.0000,0,0,0,0,'13',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
/*!40000 ALTER TABLE `orders_products` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `orders_products_download`
--

DROP TABLE IF EXISTS `orders_products_download`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `orders_products_download` (
  `orders_products_download_id` int(11) NOT NULL AUTO_INCREMENT,
  `orders_id` int(11) NOT NULL DEFAULT 0,
  `orders_products_id` int(11) NOT NULL DEFAULT 0,
  `orders_products_filename` varchar(255) NOT NULL DEFAULT '',
  `download_maxdays` int(2) NOT NULL DEFAULT 0,
  `download_count` int(2) NOT NULL DEFAULT 0,
  `products_prid` tinytext NOT NULL,
  `products_attributes_id` int(11) DEFAULT NULL,
  PRIMARY KEY (`orders_products_download_id`),
  KEY `idx_orders_id_zen` (`orders_id`),
  KEY `idx_orders_products_id_zen` (`orders_products_id`)
) ENGINE=MyISAM AUTO_INCREMENT=31 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `orders_products_download`
--

LOCK TABLES `orders_products_download` WRITE;
/*!40000 ALTER TABLE `orders_products_download` DISABLE KEYS */;
INSERT INTO `orders_products_download` VALUES
(1,1001,101,'book.pdf',7,5,'12:0cc175b9c0f1b6a831c399e269772661',45),
(2,1001,101,'book.pdf',7,1,'12',45),
(3,1001,101,'book.pdf',7,0,'12',45),
(4,1001,101,'book.pdf',7,-1,'12',45),
(5,1001,101,'book.pdf',0,0,'12',45),
(6,1001,101,'book.pdf',0,-3,'12',45),
(7,1001,101,'book.pdf',7,5,'12',45),
(8,1001,101,'book.pdf',7,5,'12',45),
(9,1001,101,'book.pdf',7,5,'12',45),
(10,1006,106,'song.mp3',1,5,'13',46),
(11,1006,106,'song.mp3',1,5,'13',46),
(12,1007,107,'song.mp3',1,5,'13',46),
(13,1007,107,'song.mp3',1,5,'13',46),
(14,1002,102,'book.pdf',7,5,'12',45),
(15,1004,104,'book.pdf',7,5,'12',45),
(16,1003,103,'book.pdf',7,5,'12',NULL),
(17,1001,101,'sub dir/my book; 1.pdf',7,5,'12',47),
(18,1001,101,'gone.zip',7,5,'12',48),
(19,1001,101,'../secret.zip',7,5,'12',45),
(20,1001,101,'https://cdn.example/x.zip:99',7,5,'12',49),
(21,1001,101,'aws:bucket/key.zip:1234',7,5,'12',49),
(22,1001,999,'book.pdf',7,5,'12',45),
(23,1005,105,'book.pdf',7,5,'12',45),
(24,1005,105,'book.pdf',0,0,'12',45),
(25,1008,108,'song.mp3',7,5,'13',46),
(26,1001,101,'',7,5,'12',45),
(27,1001,110,'song.mp3',7,5,'13',46),
(28,1001,101,'service:licence/7',7,5,'12',45),
(29,4711,101,'book.pdf',7,5,'12',45),
(30,1001,101,'it\'s \"quoted\".pdf',31,2,'12',45);
/*!40000 ALTER TABLE `orders_products_download` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `products_attributes`
--

DROP TABLE IF EXISTS `products_attributes`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `products_attributes` (
  `products_attributes_id` int(11) NOT NULL AUTO_INCREMENT,
  `products_id` int(11) NOT NULL DEFAULT 0,
  `options_id` int(11) NOT NULL DEFAULT 0,
  `options_values_id` int(11) NOT NULL DEFAULT 0,
  `options_values_price` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `options_values_price_w` varchar(150) NOT NULL DEFAULT '0',
  `price_prefix` char(1) NOT NULL DEFAULT '',
  `products_options_sort_order` int(11) NOT NULL DEFAULT 0,
  `product_attribute_is_free` tinyint(1) NOT NULL DEFAULT 0,
  `products_attributes_weight` float NOT NULL DEFAULT 0,
  `products_attributes_weight_prefix` char(1) NOT NULL DEFAULT '',
  `attributes_display_only` tinyint(1) NOT NULL DEFAULT 0,
  `attributes_default` tinyint(1) NOT NULL DEFAULT 0,
  `attributes_discounted` tinyint(1) NOT NULL DEFAULT 1,
  `attributes_image` varchar(255) DEFAULT NULL,
  `attributes_price_base_included` tinyint(1) NOT NULL DEFAULT 1,
  `attributes_price_onetime` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `attributes_price_factor` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `attributes_price_factor_offset` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `attributes_price_factor_onetime` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `attributes_price_factor_onetime_offset` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `attributes_qty_prices` text DEFAULT NULL,
  `attributes_qty_prices_onetime` text DEFAULT NULL,
  `attributes_price_words` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `attributes_price_words_free` int(4) NOT NULL DEFAULT 0,
  `attributes_price_letters` decimal(15,4) NOT NULL DEFAULT 0.0000,
  `attributes_price_letters_free` int(4) NOT NULL DEFAULT 0,
  `attributes_required` tinyint(1) NOT NULL DEFAULT 0,
  PRIMARY KEY (`products_attributes_id`),
  KEY `idx_id_options_id_values_zen` (`products_id`,`options_id`,`options_values_id`),
  KEY `idx_opt_sort_order_zen` (`products_options_sort_order`)
) ENGINE=MyISAM AUTO_INCREMENT=51 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `products_attributes`
--

LOCK TABLES `products_attributes` WRITE;
/*!40000 ALTER TABLE `products_attributes` DISABLE KEYS */;
INSERT INTO `products_attributes` VALUES
(45,12,3,7,0.0000,'0','',0,0,0,'',0,0,1,NULL,1,0.0000,0.0000,0.0000,0.0000,0.0000,NULL,NULL,0.0000,0,0.0000,0,0),
(46,13,3,8,0.0000,'0','',0,0,0,'',0,0,1,NULL,1,0.0000,0.0000,0.0000,0.0000,0.0000,NULL,NULL,0.0000,0,0.0000,0,0),
(47,12,3,9,0.0000,'0','',0,0,0,'',0,0,1,NULL,1,0.0000,0.0000,0.0000,0.0000,0.0000,NULL,NULL,0.0000,0,0.0000,0,0),
(48,12,3,10,0.0000,'0','',0,0,0,'',0,0,1,NULL,1,0.0000,0.0000,0.0000,0.0000,0.0000,NULL,NULL,0.0000,0,0.0000,0,0),
(49,12,3,11,0.0000,'0','',0,0,0,'',0,0,1,NULL,1,0.0000,0.0000,0.0000,0.0000,0.0000,NULL,NULL,0.0000,0,0.0000,0,0),
(50,14,1,1,0.0000,'0','',0,0,0,'',0,0,1,NULL,1,0.0000,0.0000,0.0000,0.0000,0.0000,NULL,NULL,0.0000,0,0.0000,0,0);
/*!40000 ALTER TABLE `products_attributes` ENABLE KEYS */;
UNLOCK TABLES;

--
-- Table structure for table `products_attributes_download`
--

DROP TABLE IF EXISTS `products_attributes_download`;
/*!40101 SET @saved_cs_client     = @@character_set_client */;
/*!40101 SET character_set_client = utf8mb4 */;
CREATE TABLE `products_attributes_download` (
  `products_attributes_id` int(11) NOT NULL DEFAULT 0,
  `products_attributes_filename` varchar(255) NOT NULL DEFAULT '',
  `products_attributes_maxdays` int(2) DEFAULT 0,
  `products_attributes_maxcount` int(2) DEFAULT 0,
  PRIMARY KEY (`products_attributes_id`)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci;
/*!40101 SET character_set_client = @saved_cs_client */;

--
-- Dumping data for table `products_attributes_download`
--

LOCK TABLES `products_attributes_download` WRITE;
/*!40000 ALTER TABLE `products_attributes_download` DISABLE KEYS */;
INSERT INTO `products_attributes_download` VALUES
(45,'book.pdf',7,5),
(46,'song.mp3',7,5),
(47,'sub dir/my book; 1.pdf',0,0),
(48,'gone.zip',7,5),
(49,'https://cdn.example/x.zip:99',7,5),
(51,'old.zip',7,5);
/*!40000 ALTER TABLE `products_attributes_download` ENABLE KEYS */;
UNLOCK TABLES;
/*!40103 SET TIME_ZONE=@OLD_TIME_ZONE */;

/*!40101 SET SQL_MODE=@OLD_SQL_MODE */;
/*!40014 SET FOREIGN_KEY_CHECKS=@OLD_FOREIGN_KEY_CHECKS */;
/*!40014 SET UNIQUE_CHECKS=@OLD_UNIQUE_CHECKS */;
/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
/*!40101 SET CHARACTER_SET_RESULTS=@OLD_CHARACTER_SET_RESULTS */;
/*!40101 SET COLLATION_CONNECTION=@OLD_COLLATION_CONNECTION */;
/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;

-- Dump completed on 2026-11-22 12:49:46
