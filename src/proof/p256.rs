//! Whether a point lies on the curve P-256 ([FIPS 186-4](https://doi.org/10.6028/NIST.FIPS.186-4), D.1.2.3): the library
//! that checks signatures says only that one does not hold, whatever is the matter with the key. A public key is no
//! secret, so nothing here has to take the same time for every number.

/// A number below 2²⁵⁶ in four parts, the lowest first.
type Number = [u64; 4];

/// The prime of the field: 2²⁵⁶ − 2²²⁴ + 2¹⁹² + 2⁹⁶ − 1.
const PRIME: Number = [0xffff_ffff_ffff_ffff, 0x0000_0000_ffff_ffff, 0, 0xffff_ffff_0000_0001];

/// The constant `b` of y² = x³ − 3x + b.
const B: Number = [0x3bce_3c3e_27d2_604b, 0x651d_06b0_cc53_b0f6, 0xb3eb_bd55_7698_86bc, 0x5ac6_35d8_aa3a_93e7];

/// Whether `x` and `y`, each the highest byte first, are a point of the curve.
pub(super) fn is_on_curve(x: &[u8; 32], y: &[u8; 32]) -> bool {
    let (Some(x), Some(y)) = (element(x), element(y)) else { return false };
    let cube = times(times(x, x), x);
    let thrice = plus(plus(x, x), x);
    // Without a subtraction: y² + 3x = x³ + b.
    plus(times(y, y), thrice) == plus(cube, B)
}

/// A number of the field in its one spelling: below the prime.
fn element(bytes: &[u8; 32]) -> Option<Number> {
    let mut number: Number = [0; 4];
    for (part, bytes) in number.iter_mut().rev().zip(bytes.as_chunks().0) {
        *part = u64::from_be_bytes(*bytes);
    }
    minus(number, PRIME).is_none().then_some(number)
}

/// The sum of two numbers of the field.
fn plus(one: Number, other: Number) -> Number {
    let (mut sum, mut carry) = ([0; 4], false);
    for ((part, one), other) in sum.iter_mut().zip(one).zip(other) {
        (*part, carry) = one.carrying_add(other, carry);
    }
    match minus(sum, PRIME) {
        Some(rest) => rest,
        // What was carried out of the top is more than the prime, whatever is left below it.
        None if carry => borrowed(sum, PRIME).0,
        None => sum,
    }
}

/// The product of two numbers of the field, one bit after the other: a key is read once.
fn times(one: Number, other: Number) -> Number {
    let mut product = [0; 4];
    for part in one.iter().rev() {
        for bit in (0..u64::BITS).rev() {
            product = plus(product, product);
            if part >> bit & 1 == 1 {
                product = plus(product, other);
            }
        }
    }
    product
}

/// `one` without `other`, where it is not less.
fn minus(one: Number, other: Number) -> Option<Number> {
    let (rest, is_less) = borrowed(one, other);
    (!is_less).then_some(rest)
}

/// `one` without `other`, and whether that had to be borrowed from above.
fn borrowed(one: Number, other: Number) -> (Number, bool) {
    let (mut rest, mut borrow) = ([0; 4], false);
    for ((part, one), other) in rest.iter_mut().zip(one).zip(other) {
        (*part, borrow) = one.borrowing_sub(other, borrow);
    }
    (rest, borrow)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> [u8; 32] {
        let digits =
            hex.as_bytes().chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("digits"));
        digits.collect::<Vec<_>>().try_into().expect("32 bytes")
    }

    /// The generator, twice it (both of the standard's own tables), the key of RFC 7515 A.3, and the point with x = 0.
    const POINTS: [(&str, &str); 4] = [
        (
            "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
            "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        ),
        (
            "7cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc47669978",
            "07775510db8ed040293d9ac69f7430dbba7dade63ce982299e04b79d227873d1",
        ),
        (
            "7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445",
            "c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad",
        ),
        (
            "0000000000000000000000000000000000000000000000000000000000000000",
            "66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4",
        ),
    ];

    #[test]
    fn points_of_the_curve_are_known_and_their_neighbours_are_not() {
        for (x, y) in POINTS {
            let (x, y) = (bytes(x), bytes(y));
            assert!(is_on_curve(&x, &y), "{x:?}");
            assert!(!is_on_curve(&y, &x), "exchanged");
            for place in [0, 13, 31] {
                for bit in [0x01, 0x80] {
                    let (mut odd_x, mut odd_y) = (x, y);
                    odd_x[place] ^= bit;
                    odd_y[place] ^= bit;
                    assert!(!is_on_curve(&odd_x, &y) && !is_on_curve(&x, &odd_y), "{place} {bit}");
                }
            }
        }
        assert!(!is_on_curve(&[0x7f; 32], &[0x7f; 32]));
        assert!(!is_on_curve(&[0; 32], &[0; 32]));
    }

    #[test]
    fn a_number_has_one_spelling() {
        // x + p of the point with x = 0 is the prime itself.
        let prime = bytes("ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
        assert!(!is_on_curve(&prime, &bytes(POINTS[3].1)) && !is_on_curve(&[0xff; 32], &[0xff; 32]));
    }

    #[test]
    fn minus_one_squared_is_one() {
        let (last, _) = borrowed(PRIME, [1, 0, 0, 0]);
        assert_eq!(times(last, last), [1, 0, 0, 0]);
        assert_eq!(plus(last, [1, 0, 0, 0]), [0; 4]);
        assert_eq!(plus(last, last), borrowed(PRIME, [2, 0, 0, 0]).0);
    }
}
