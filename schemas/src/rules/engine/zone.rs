//! Where a telephone number is: its IANA zone, where its country or its area lies in one.
//!
//! Areas of North America whose clocks differ within them are left out, and so are countries of several zones: what
//! cannot be told is not flagged. A ported mobile number tells where it was given out, no more.
//! Source: ITU-T E.164 (country codes), NANPA (areas).

use super::target::number;

/// Areas of the North American plan, by zone.
const AREAS: &[(&str, &[u16])] = &[
    (
        "America/New_York",
        &[
            201, 202, 203, 207, 212, 215, 216, 220, 223, 227, 229, 234, 239, 240, 252, 267, 272,
            276, 283, 301, 302, 304, 305, 315, 321, 324, 326, 329, 330, 332, 336, 339, 347, 351,
            352, 363, 380, 386, 401, 404, 407, 410, 412, 413, 419, 434, 440, 443, 445, 448, 470,
            472, 475, 478, 484, 508, 513, 516, 518, 540, 551, 561, 567, 570, 571, 582, 585, 603,
            607, 609, 610, 614, 617, 624, 631, 640, 645, 646, 656, 667, 678, 680, 681, 686, 689,
            703, 704, 706, 716, 717, 718, 724, 727, 728, 732, 740, 743, 754, 757, 762, 770, 771,
            772, 774, 781, 786, 802, 803, 804, 813, 814, 821, 826, 828, 835, 838, 839, 843, 845,
            848, 854, 856, 857, 860, 862, 863, 864, 865, 878, 904, 908, 910, 912, 914, 917, 919,
            929, 934, 937, 941, 943, 947, 948, 954, 959, 973, 978, 980, 984, 985,
        ],
    ),
    ("America/Detroit", &[231, 248, 269, 313, 517, 586, 616, 679, 734, 810, 989]),
    ("America/Indiana/Indianapolis", &[260, 317, 463, 765]),
    ("America/Kentucky/Louisville", &[502, 859]),
    (
        "America/Chicago",
        &[
            205, 210, 214, 217, 218, 224, 225, 228, 251, 254, 256, 262, 274, 281, 309, 312, 314,
            316, 318, 319, 320, 325, 331, 334, 337, 346, 353, 361, 402, 405, 409, 414, 417, 430,
            432, 447, 464, 469, 479, 501, 504, 507, 512, 515, 531, 534, 539, 557, 563, 572, 573,
            580, 601, 608, 612, 615, 618, 629, 630, 636, 641, 651, 659, 660, 662, 682, 708, 712,
            713, 715, 726, 730, 731, 737, 763, 769, 773, 779, 806, 815, 816, 817, 830, 832, 847,
            861, 870, 872, 901, 903, 913, 918, 920, 936, 938, 940, 945, 952, 956, 972, 975, 979,
        ],
    ),
    ("America/Denver", &[303, 307, 385, 406, 435, 505, 575, 719, 720, 801, 970, 983]),
    ("America/Phoenix", &[480, 520, 602, 623]),
    (
        "America/Los_Angeles",
        &[
            206, 209, 213, 253, 279, 310, 323, 341, 350, 360, 408, 415, 424, 425, 442, 503, 509,
            510, 530, 559, 562, 564, 619, 626, 628, 650, 657, 661, 669, 702, 707, 714, 725, 747,
            760, 805, 818, 820, 831, 837, 840, 858, 909, 916, 925, 949, 951,
        ],
    ),
    ("Pacific/Honolulu", &[808]),
    ("America/Puerto_Rico", &[787, 939]),
    ("America/St_Thomas", &[340]),
    ("Pacific/Guam", &[671]),
    ("Pacific/Pago_Pago", &[684]),
    (
        "America/Toronto",
        &[
            226, 249, 263, 289, 343, 354, 365, 382, 387, 416, 437, 438, 450, 468, 514, 519, 548,
            579, 613, 647, 683, 705, 742, 753, 819, 873, 905, 942,
        ],
    ),
    ("America/Winnipeg", &[204, 431, 584]),
    ("America/Edmonton", &[368, 403, 587, 780, 825]),
    ("America/Vancouver", &[604]),
    ("America/Halifax", &[782, 902]),
    ("America/Moncton", &[428, 506]),
    ("America/Jamaica", &[658, 876]),
    ("America/Santo_Domingo", &[809, 829, 849]),
    ("America/Nassau", &[242]),
    ("America/Port_of_Spain", &[868]),
    ("America/Barbados", &[246]),
    ("Atlantic/Bermuda", &[441]),
];

/// Countries of one zone, by code. No code begins another.
const COUNTRIES: &[(&str, &str)] = &[
    ("20", "Africa/Cairo"),
    ("27", "Africa/Johannesburg"),
    ("212", "Africa/Casablanca"),
    ("213", "Africa/Algiers"),
    ("216", "Africa/Tunis"),
    ("221", "Africa/Dakar"),
    ("225", "Africa/Abidjan"),
    ("233", "Africa/Accra"),
    ("234", "Africa/Lagos"),
    ("237", "Africa/Douala"),
    ("250", "Africa/Kigali"),
    ("251", "Africa/Addis_Ababa"),
    ("254", "Africa/Nairobi"),
    ("255", "Africa/Dar_es_Salaam"),
    ("256", "Africa/Kampala"),
    ("260", "Africa/Lusaka"),
    ("263", "Africa/Harare"),
    ("30", "Europe/Athens"),
    ("31", "Europe/Amsterdam"),
    ("32", "Europe/Brussels"),
    ("33", "Europe/Paris"),
    ("36", "Europe/Budapest"),
    ("39", "Europe/Rome"),
    ("352", "Europe/Luxembourg"),
    ("353", "Europe/Dublin"),
    ("354", "Atlantic/Reykjavik"),
    ("355", "Europe/Tirane"),
    ("356", "Europe/Malta"),
    ("357", "Asia/Nicosia"),
    ("358", "Europe/Helsinki"),
    ("359", "Europe/Sofia"),
    ("370", "Europe/Vilnius"),
    ("371", "Europe/Riga"),
    ("372", "Europe/Tallinn"),
    ("373", "Europe/Chisinau"),
    ("374", "Asia/Yerevan"),
    ("375", "Europe/Minsk"),
    ("380", "Europe/Kyiv"),
    ("381", "Europe/Belgrade"),
    ("385", "Europe/Zagreb"),
    ("386", "Europe/Ljubljana"),
    ("387", "Europe/Sarajevo"),
    ("40", "Europe/Bucharest"),
    ("41", "Europe/Zurich"),
    ("43", "Europe/Vienna"),
    ("44", "Europe/London"),
    ("45", "Europe/Copenhagen"),
    ("46", "Europe/Stockholm"),
    ("47", "Europe/Oslo"),
    ("48", "Europe/Warsaw"),
    ("49", "Europe/Berlin"),
    ("420", "Europe/Prague"),
    ("421", "Europe/Bratislava"),
    ("423", "Europe/Vaduz"),
    ("51", "America/Lima"),
    ("53", "America/Havana"),
    ("54", "America/Argentina/Buenos_Aires"),
    ("57", "America/Bogota"),
    ("58", "America/Caracas"),
    ("502", "America/Guatemala"),
    ("503", "America/El_Salvador"),
    ("504", "America/Tegucigalpa"),
    ("505", "America/Managua"),
    ("506", "America/Costa_Rica"),
    ("507", "America/Panama"),
    ("591", "America/La_Paz"),
    ("595", "America/Asuncion"),
    ("598", "America/Montevideo"),
    ("60", "Asia/Kuala_Lumpur"),
    ("63", "Asia/Manila"),
    ("65", "Asia/Singapore"),
    ("66", "Asia/Bangkok"),
    ("81", "Asia/Tokyo"),
    ("82", "Asia/Seoul"),
    ("84", "Asia/Ho_Chi_Minh"),
    ("86", "Asia/Shanghai"),
    ("852", "Asia/Hong_Kong"),
    ("853", "Asia/Macau"),
    ("855", "Asia/Phnom_Penh"),
    ("880", "Asia/Dhaka"),
    ("886", "Asia/Taipei"),
    ("90", "Europe/Istanbul"),
    ("91", "Asia/Kolkata"),
    ("92", "Asia/Karachi"),
    ("93", "Asia/Kabul"),
    ("94", "Asia/Colombo"),
    ("95", "Asia/Yangon"),
    ("98", "Asia/Tehran"),
    ("961", "Asia/Beirut"),
    ("962", "Asia/Amman"),
    ("964", "Asia/Baghdad"),
    ("965", "Asia/Kuwait"),
    ("966", "Asia/Riyadh"),
    ("968", "Asia/Muscat"),
    ("971", "Asia/Dubai"),
    ("972", "Asia/Jerusalem"),
    ("973", "Asia/Bahrain"),
    ("974", "Asia/Qatar"),
    ("977", "Asia/Kathmandu"),
    ("994", "Asia/Baku"),
    ("995", "Asia/Tbilisi"),
    ("998", "Asia/Tashkent"),
];

/// The zone of whoever has the telephone number that a target is.
pub(crate) fn of(target: &str) -> Option<&'static str> {
    let number = number(target)?;
    let digits = number.strip_prefix('+')?;
    if let Some(rest) = digits.strip_prefix('1') {
        let area: u16 = rest.get(..3)?.parse().ok()?;
        let (zone, _) = AREAS.iter().find(|(_, areas)| areas.contains(&area))?;
        return Some(zone);
    }
    COUNTRIES.iter().find(|(code, _)| digits.starts_with(code)).map(|(_, zone)| *zone)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn numbers_tell_their_zone_or_nothing() {
        for (target, expected) in [
            ("+14155550142", Some("America/Los_Angeles")),
            ("+12125550142", Some("America/New_York")),
            ("tel:+442079460000", Some("Europe/London")),
            ("+493012345678", Some("Europe/Berlin")),
            ("+18505550142", None),
            ("+74951234567", None),
            ("+61212345678", None),
            ("finance@example.com", None),
            ("4155550142", None),
        ] {
            assert_eq!(of(target), expected, "{target}");
        }
    }

    #[test]
    fn every_zone_exists_and_no_code_hides_another() {
        let zones =
            AREAS.iter().map(|(zone, _)| zone).chain(COUNTRIES.iter().map(|(_, zone)| zone));
        for zone in zones {
            assert!(jiff::tz::TimeZone::get(zone).is_ok(), "{zone}");
        }
        for (code, _) in COUNTRIES {
            let hides = |other: &&(&str, &str)| other.0 != *code && other.0.starts_with(code);
            assert_eq!(COUNTRIES.iter().find(hides), None, "{code}");
        }
        let mut areas: Vec<_> = AREAS.iter().flat_map(|(_, areas)| *areas).collect();
        areas.sort_unstable();
        let before = areas.len();
        areas.dedup();
        assert_eq!(areas.len(), before, "an area stands twice");
    }
}
