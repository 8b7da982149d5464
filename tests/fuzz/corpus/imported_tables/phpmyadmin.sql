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

INSERT INTO `zen_orders` (`orders_id`, `customers_id`, `customers_name`, `customers_company`, `customers_street_address`, `customers_suburb`, `customers_city`, `customers_postcode`, `customers_state`, `customer