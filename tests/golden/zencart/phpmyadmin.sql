-- phpMyAdmin SQL Dump
-- version 5.2.1deb1
-- https://www.phpmyadmin.net/
--
-- Host: localhost:3306
-- PHP Version: 8.2.36

SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
START TRANSACTION;
SET time_zone = "+00:00";


/*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
/*!40101 SET NAMES utf8mb4 */;

--
-- Database: `shop`
--

DELIMITER $$
--
-- Procedures
--
CREATE DEFINER=`root`@`localhost` PROCEDURE `tidy` ()  BEGIN
  INSERT INTO orders VALUES (1);
END$$

DELIMITER ;

-- --------------------------------------------------------

--
-- Table structure for table `zen_orders`
--

CREATE TABLE `zen_orders` (
  `orders_id` varchar(191) DEFAULT NULL,
  `customers_id` varchar(191) DEFAULT NULL,
  `customers_name` varchar(191) DEFAULT NULL,
  `customers_company` varchar(191) DEFAULT NULL,
  `customers_street_address` varchar(191) DEFAULT NULL,
  `customers_suburb` varchar(191) DEFAULT NULL,
  `customers_city` varchar(191) DEFAULT NULL,
  `customers_postcode` varchar(191) DEFAULT NULL,
  `customers_state` varchar(191) DEFAULT NULL,
  `customers_country` varchar(191) DEFAULT NULL,
  `customers_telephone` varchar(191) DEFAULT NULL,
  `customers_email_address` varchar(191) DEFAULT NULL,
  `customers_address_format_id` varchar(191) DEFAULT NULL,
  `delivery_name` varchar(191) DEFAULT NULL,
  `delivery_company` varchar(191) DEFAULT NULL,
  `delivery_street_address` varchar(191) DEFAULT NULL,
  `delivery_suburb` varchar(191) DEFAULT NULL,
  `delivery_city` varchar(191) DEFAULT NULL,
  `delivery_postcode` varchar(191) DEFAULT NULL,
  `delivery_state` varchar(191) DEFAULT NULL,
  `delivery_country` varchar(191) DEFAULT NULL,
  `delivery_address_format_id` varchar(191) DEFAULT NULL,
  `billing_name` varchar(191) DEFAULT NULL,
  `billing_company` varchar(191) DEFAULT NULL,
  `billing_street_address` varchar(191) DEFAULT NULL,
  `billing_suburb` varchar(191) DEFAULT NULL,
  `billing_city` varchar(191) DEFAULT NULL,
  `billing_postcode` varchar(191) DEFAULT NULL,
  `billing_state` varchar(191) DEFAULT NULL,
  `billing_country` varchar(191) DEFAULT NULL,
  `billing_address_format_id` varchar(191) DEFAULT NULL,
  `payment_method` varchar(191) DEFAULT NULL,
  `payment_module_code` varchar(191) DEFAULT NULL,
  `shipping_method` varchar(191) DEFAULT NULL,
  `shipping_module_code` varchar(191) DEFAULT NULL,
  `coupon_code` varchar(191) DEFAULT NULL,
  `cc_type` varchar(191) DEFAULT NULL,
  `cc_owner` varchar(191) DEFAULT NULL,
  `cc_number` varchar(191) DEFAULT NULL,
  `cc_expires` varchar(191) DEFAULT NULL,
  `cc_cvv` varchar(191) DEFAULT NULL,
  `last_modified` varchar(191) DEFAULT NULL,
  `date_purchased` varchar(191) DEFAULT NULL,
  `orders_status` varchar(191) DEFAULT NULL,
  `orders_date_finished` varchar(191) DEFAULT NULL,
  `currency` varchar(191) DEFAULT NULL,
  `currency_value` varchar(191) DEFAULT NULL,
  `order_total` varchar(191) DEFAULT NULL,
  `order_tax` varchar(191) DEFAULT NULL,
  `shipping_tax_rate` varchar(191) DEFAULT NULL,
  `paypal_ipn_id` varchar(191) DEFAULT NULL,
  `ip_address` varchar(191) DEFAULT NULL,
  `order_weight` varchar(191) DEFAULT NULL,
  `language_code` varchar(191) DEFAULT NULL,
  `is_wholesale` varchar(191) DEFAULT NULL
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;

--
-- Dumping data for table `zen_orders`
--

INSERT INTO `zen_orders` (`orders_id`, `customers_id`, `customers_name`, `customers_company`, `customers_street_address`, `customers_suburb`, `customers_city`, `customers_postcode`, `customers_state`, `customers_country`, `customers_telephone`, `customers_email_address`, `customers_address_format_id`, `delivery_name`, `delivery_company`, `delivery_street_address`, `delivery_suburb`, `delivery_city`, `delivery_postcode`, `delivery_state`, `delivery_country`, `delivery_address_format_id`, `billing_name`, `billing_company`, `billing_street_address`, `billing_suburb`, `billing_city`, `billing_postcode`, `billing_state`, `billing_country`, `billing_address_format_id`, `payment_method`, `payment_module_code`, `shipping_method`, `shipping_module_code`, `coupon_code`, `cc_type`, `cc_owner`, `cc_number`, `cc_expires`, `cc_cvv`, `last_modified`, `date_purchased`, `orders_status`, `orders_date_finished`, `currency`, `currency_value`, `order_total`, `order_tax`, `shipping_tax_rate`, `paypal_ipn_id`, `ip_address`, `order_weight`, `language_code`, `is_wholesale`) VALUES
(1001, 7, 'Anna Berg', NULL, 'Main St 1; \'rear\'', NULL, '', '', NULL, '', '', 'anna@shop.example', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-20 10:00:00', 2, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', NULL, 'de', NULL),
(1002, 8, 'Ben', NULL, '', NULL, '', '', NULL, '', '', 'ben@shop.example', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-20 10:00:00', 1, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', NULL, 'en', NULL),
(1003, 9, 'O\'Brien "Bob" \\ Söhne\nline two', NULL, '', NULL, '', '', NULL, '', '', 'bob@shop.example', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-20 10:00:00', 4, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', NULL, 'en', NULL),
(1004, 9, 'Bob', NULL, '', NULL, '', '', NULL, '', '', 'bob@shop.example', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-20 10:00:00', 5, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', NULL, 'en', NULL),
(1005, 10, 'Cy', NULL, '', NULL, '', '', NULL, '', '', 'cy@shop.example', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, '0000-00-00 00:00:00', 3, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', NULL, 'en', NULL),
(1006, 11, 'Di', NULL, '', NULL, '', '', NULL, '', '', 'di@shop.example', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-28 23:30:00', 2, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', NULL, 'en', NULL),
(1007, 11, 'Di', NULL, '', NULL, '', '', NULL, '', '', 'di@shop.example', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, '2026-10-24 00:10:00', 2, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', NULL, 'en', NULL),
(1008, 11, 'Di', NULL, '', NULL, '', '', NULL, '', '', 'di@shop.example', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, 2, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', NULL, 'en', NULL),
(1009, 12, 'Eve, no downloads', NULL, '', NULL, '', '', NULL, '', '', 'eve@shop.example', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', NULL, '', NULL, '', '', NULL, '', 0, '', '', NULL, '', '', NULL, NULL, NULL, NULL, NULL, NULL, '2026-03-20 10:00:00', 2, NULL, NULL, NULL, NULL, NULL, NULL, 0, '', NULL, 'en', NULL);

--
-- Table structure for table `zen_orders_products`
--

CREATE TABLE `zen_orders_products` (
  `orders_products_id` varchar(191) DEFAULT NULL,
  `orders_id` varchar(191) DEFAULT NULL,
  `products_id` varchar(191) DEFAULT NULL,
  `products_model` varchar(191) DEFAULT NULL,
  `products_name` varchar(191) DEFAULT NULL,
  `products_price` varchar(191) DEFAULT NULL,
  `final_price` varchar(191) DEFAULT NULL,
  `products_tax` varchar(191) DEFAULT NULL,
  `products_quantity` varchar(191) DEFAULT NULL,
  `onetime_charges` varchar(191) DEFAULT NULL,
  `products_priced_by_attribute` varchar(191) DEFAULT NULL,
  `product_is_free` varchar(191) DEFAULT NULL,
  `products_discount_type` varchar(191) DEFAULT NULL,
  `products_discount_type_from` varchar(191) DEFAULT NULL,
  `products_prid` varchar(191) DEFAULT NULL,
  `products_weight` varchar(191) DEFAULT NULL,
  `products_virtual` varchar(191) DEFAULT NULL,
  `product_is_always_free_shipping` varchar(191) DEFAULT NULL,
  `products_quantity_order_min` varchar(191) DEFAULT NULL,
  `products_quantity_order_units` varchar(191) DEFAULT NULL,
  `products_quantity_order_max` varchar(191) DEFAULT NULL,
  `products_quantity_mixed` varchar(191) DEFAULT NULL,
  `products_mixed_discount_quantity` varchar(191) DEFAULT NULL
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;

--
-- Dumping data for table `zen_orders_products`
--

INSERT INTO `zen_orders_products` (`orders_products_id`, `orders_id`, `products_id`, `products_model`, `products_name`, `products_price`, `final_price`, `products_tax`, `products_quantity`, `onetime_charges`, `products_priced_by_attribute`, `product_is_free`, `products_discount_type`, `products_discount_type_from`, `products_prid`, `products_weight`, `products_virtual`, `product_is_always_free_shipping`, `products_quantity_order_min`, `products_quantity_order_units`, `products_quantity_order_max`, `products_quantity_mixed`, `products_mixed_discount_quantity`) VALUES
(101, 1001, 12, NULL, 'The book, "large"', '0.0000', '0.0000', '0.0000', 1, '0.0000', 0, 0, 0, 0, '12:0cc175b9c0f1b6a831c399e269772661', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(102, 1002, 12, NULL, 'The book, "large"', '0.0000', '0.0000', '0.0000', 1, '0.0000', 0, 0, 0, 0, 12, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(103, 1003, 12, NULL, 'The book, "large"', '0.0000', '0.0000', '0.0000', 1, '0.0000', 0, 0, 0, 0, 12, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(104, 1004, 12, NULL, 'The book, "large"', '0.0000', '0.0000', '0.0000', 1, '0.0000', 0, 0, 0, 0, 12, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(105, 1005, 12, NULL, 'The book, "large"', '0.0000', '0.0000', '0.0000', 1, '0.0000', 0, 0, 0, 0, 12, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(106, 1006, 13, NULL, 'Song', '0.0000', '0.0000', '0.0000', 1, '0.0000', 0, 0, 0, 0, 13, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(107, 1007, 13, NULL, 'Song', '0.0000', '0.0000', '0.0000', 1, '0.0000', 0, 0, 0, 0, 13, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(108, 1008, 13, NULL, 'Song', '0.0000', '0.0000', '0.0000', 1, '0.0000', 0, 0, 0, 0, 13, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(109, 1009, 14, NULL, 'A mug', '0.0000', '0.0000', '0.0000', 2, '0.0000', 0, 0, 0, 0, 14, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(110, 1001, 13, NULL, 'Song', '0.0000', '0.0000', '0.0000', 3, '0.0000', 0, 0, 0, 0, 13, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

--
-- Table structure for table `zen_orders_products_download`
--

CREATE TABLE `zen_orders_products_download` (
  `orders_products_download_id` varchar(191) DEFAULT NULL,
  `orders_id` varchar(191) DEFAULT NULL,
  `orders_products_id` varchar(191) DEFAULT NULL,
  `orders_products_filename` varchar(191) DEFAULT NULL,
  `download_maxdays` varchar(191) DEFAULT NULL,
  `download_count` varchar(191) DEFAULT NULL,
  `products_prid` varchar(191) DEFAULT NULL,
  `products_attributes_id` varchar(191) DEFAULT NULL
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;

--
-- Dumping data for table `zen_orders_products_download`
--

INSERT INTO `zen_orders_products_download` (`orders_products_download_id`, `orders_id`, `orders_products_id`, `orders_products_filename`, `download_maxdays`, `download_count`, `products_prid`, `products_attributes_id`) VALUES
(1, 1001, 101, 'book.pdf', 7, 5, '12:0cc175b9c0f1b6a831c399e269772661', 45),
(2, 1001, 101, 'book.pdf', 7, 1, 12, 45),
(3, 1001, 101, 'book.pdf', 7, 0, 12, 45),
(4, 1001, 101, 'book.pdf', 7, -1, 12, 45),
(5, 1001, 101, 'book.pdf', 0, 0, 12, 45),
(6, 1001, 101, 'book.pdf', 0, -3, 12, 45),
(7, 1001, 101, 'book.pdf', 7, 5, 12, 45),
(8, 1001, 101, 'book.pdf', 7, 5, 12, 45),
(9, 1001, 101, 'book.pdf', 7, 5, 12, 45),
(10, 1006, 106, 'song.mp3', 1, 5, 13, 46);
INSERT INTO `zen_orders_products_download` (`orders_products_download_id`, `orders_id`, `orders_products_id`, `orders_products_filename`, `download_maxdays`, `download_count`, `products_prid`, `products_attributes_id`) VALUES
(11, 1006, 106, 'song.mp3', 1, 5, 13, 46),
(12, 1007, 107, 'song.mp3', 1, 5, 13, 46),
(13, 1007, 107, 'song.mp3', 1, 5, 13, 46),
(14, 1002, 102, 'book.pdf', 7, 5, 12, 45),
(15, 1004, 104, 'book.pdf', 7, 5, 12, 45),
(16, 1003, 103, 'book.pdf', 7, 5, 12, NULL),
(17, 1001, 101, 'sub dir/my book; 1.pdf', 7, 5, 12, 47),
(18, 1001, 101, 'gone.zip', 7, 5, 12, 48),
(19, 1001, 101, '../secret.zip', 7, 5, 12, 45),
(20, 1001, 101, 'https://cdn.example/x.zip:99', 7, 5, 12, 49);
INSERT INTO `zen_orders_products_download` (`orders_products_download_id`, `orders_id`, `orders_products_id`, `orders_products_filename`, `download_maxdays`, `download_count`, `products_prid`, `products_attributes_id`) VALUES
(21, 1001, 101, 'aws:bucket/key.zip:1234', 7, 5, 12, 49),
(22, 1001, 999, 'book.pdf', 7, 5, 12, 45),
(23, 1005, 105, 'book.pdf', 7, 5, 12, 45),
(24, 1005, 105, 'book.pdf', 0, 0, 12, 45),
(25, 1008, 108, 'song.mp3', 7, 5, 13, 46),
(26, 1001, 101, '', 7, 5, 12, 45),
(27, 1001, 110, 'song.mp3', 7, 5, 13, 46),
(28, 1001, 101, 'service:licence/7', 7, 5, 12, 45),
(29, 4711, 101, 'book.pdf', 7, 5, 12, 45),
(30, 1001, 101, 'it\'s "quoted".pdf', 31, 2, 12, 45);

--
-- Table structure for table `zen_products_attributes`
--

CREATE TABLE `zen_products_attributes` (
  `products_attributes_id` varchar(191) DEFAULT NULL,
  `products_id` varchar(191) DEFAULT NULL,
  `options_id` varchar(191) DEFAULT NULL,
  `options_values_id` varchar(191) DEFAULT NULL,
  `options_values_price` varchar(191) DEFAULT NULL,
  `options_values_price_w` varchar(191) DEFAULT NULL,
  `price_prefix` varchar(191) DEFAULT NULL,
  `products_options_sort_order` varchar(191) DEFAULT NULL,
  `product_attribute_is_free` varchar(191) DEFAULT NULL,
  `products_attributes_weight` varchar(191) DEFAULT NULL,
  `products_attributes_weight_prefix` varchar(191) DEFAULT NULL,
  `attributes_display_only` varchar(191) DEFAULT NULL,
  `attributes_default` varchar(191) DEFAULT NULL,
  `attributes_discounted` varchar(191) DEFAULT NULL,
  `attributes_image` varchar(191) DEFAULT NULL,
  `attributes_price_base_included` varchar(191) DEFAULT NULL,
  `attributes_price_onetime` varchar(191) DEFAULT NULL,
  `attributes_price_factor` varchar(191) DEFAULT NULL,
  `attributes_price_factor_offset` varchar(191) DEFAULT NULL,
  `attributes_price_factor_onetime` varchar(191) DEFAULT NULL,
  `attributes_price_factor_onetime_offset` varchar(191) DEFAULT NULL,
  `attributes_qty_prices` varchar(191) DEFAULT NULL,
  `attributes_qty_prices_onetime` varchar(191) DEFAULT NULL,
  `attributes_price_words` varchar(191) DEFAULT NULL,
  `attributes_price_words_free` varchar(191) DEFAULT NULL,
  `attributes_price_letters` varchar(191) DEFAULT NULL,
  `attributes_price_letters_free` varchar(191) DEFAULT NULL,
  `attributes_required` varchar(191) DEFAULT NULL
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;

--
-- Dumping data for table `zen_products_attributes`
--

INSERT INTO `zen_products_attributes` (`products_attributes_id`, `products_id`, `options_id`, `options_values_id`, `options_values_price`, `options_values_price_w`, `price_prefix`, `products_options_sort_order`, `product_attribute_is_free`, `products_attributes_weight`, `products_attributes_weight_prefix`, `attributes_display_only`, `attributes_default`, `attributes_discounted`, `attributes_image`, `attributes_price_base_included`, `attributes_price_onetime`, `attributes_price_factor`, `attributes_price_factor_offset`, `attributes_price_factor_onetime`, `attributes_price_factor_onetime_offset`, `attributes_qty_prices`, `attributes_qty_prices_onetime`, `attributes_price_words`, `attributes_price_words_free`, `attributes_price_letters`, `attributes_price_letters_free`, `attributes_required`) VALUES
(45, 12, 3, 7, '0.0000', 0, '', 0, 0, 0, '', 0, 0, 1, NULL, 1, '0.0000', '0.0000', '0.0000', '0.0000', '0.0000', NULL, NULL, '0.0000', 0, '0.0000', 0, 0),
(46, 13, 3, 8, '0.0000', 0, '', 0, 0, 0, '', 0, 0, 1, NULL, 1, '0.0000', '0.0000', '0.0000', '0.0000', '0.0000', NULL, NULL, '0.0000', 0, '0.0000', 0, 0),
(47, 12, 3, 9, '0.0000', 0, '', 0, 0, 0, '', 0, 0, 1, NULL, 1, '0.0000', '0.0000', '0.0000', '0.0000', '0.0000', NULL, NULL, '0.0000', 0, '0.0000', 0, 0),
(48, 12, 3, 10, '0.0000', 0, '', 0, 0, 0, '', 0, 0, 1, NULL, 1, '0.0000', '0.0000', '0.0000', '0.0000', '0.0000', NULL, NULL, '0.0000', 0, '0.0000', 0, 0),
(49, 12, 3, 11, '0.0000', 0, '', 0, 0, 0, '', 0, 0, 1, NULL, 1, '0.0000', '0.0000', '0.0000', '0.0000', '0.0000', NULL, NULL, '0.0000', 0, '0.0000', 0, 0),
(50, 14, 1, 1, '0.0000', 0, '', 0, 0, 0, '', 0, 0, 1, NULL, 1, '0.0000', '0.0000', '0.0000', '0.0000', '0.0000', NULL, NULL, '0.0000', 0, '0.0000', 0, 0);

--
-- Table structure for table `zen_products_attributes_download`
--

CREATE TABLE `zen_products_attributes_download` (
  `products_attributes_id` varchar(191) DEFAULT NULL,
  `products_attributes_filename` varchar(191) DEFAULT NULL,
  `products_attributes_maxdays` varchar(191) DEFAULT NULL,
  `products_attributes_maxcount` varchar(191) DEFAULT NULL
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;

--
-- Dumping data for table `zen_products_attributes_download`
--

INSERT INTO `zen_products_attributes_download` (`products_attributes_id`, `products_attributes_filename`, `products_attributes_maxdays`, `products_attributes_maxcount`) VALUES
(45, 'book.pdf', 7, 5),
(46, 'song.mp3', 7, 5),
(47, 'sub dir/my book; 1.pdf', 0, 0),
(48, 'gone.zip', 7, 5),
(49, 'https://cdn.example/x.zip:99', 7, 5),
(51, 'old.zip', 7, 5);

--
-- Indexes for dumped tables
--

ALTER TABLE `zen_orders`
  ADD PRIMARY KEY (`orders_id`);
COMMIT;

/*!40101 SET CHARACTER_SET_CLIENT=@OLD_CHARACTER_SET_CLIENT */;
