#include <random>

#include <catch2/catch.hpp>

#include "readers/unit_text.hh"

using namespace std::chrono_literals;

namespace pleat {

using namespace literals;

TEST_CASE("durations are read exactly") {
    CHECK(parse_duration("5ms") == 5ms);
    CHECK(parse_duration("1.5s") == 1500ms);
    CHECK(parse_duration("10us") == 10us);
    CHECK(parse_duration("10µs") == 10us);
    CHECK(parse_duration("1m30s") == 90s);
    CHECK(parse_duration("2h") == 2h);
    CHECK(parse_duration("1h1ns") == 1h + 1ns);
    CHECK(parse_duration("0.000000001s") == 1ns);
    CHECK(parse_duration("0s") == 0s);
}

TEST_CASE("what is no duration is refused with the reason") {
    CHECK_THAT(parse_duration("5").error().message, Catch::Contains("no unit"));
    CHECK_THAT(parse_duration("-5ms").error().message, Catch::Contains("negative"));
    CHECK_THAT(parse_duration("0.5ns").error().message, Catch::Contains("finer"));
    CHECK_THAT(parse_duration("300000000h").error().message, Catch::Contains("too long"));
    CHECK_THAT(parse_duration("30s1m").error().message, Catch::Contains("large to small"));
    CHECK_THAT(parse_duration("1s1s").error().message, Catch::Contains("large to small"));
    CHECK_THAT(parse_duration("1.5m3s").error().message, Catch::Contains("large to small"));
    for (const char* text :
         {"", "ms", "5 ms", "5MS", "1e3s", "5ms ", ".5s", "1..5s", "0x10s", "5s5"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_duration(text));
    }
    CHECK_FALSE(parse_duration(std::string(1000, '9') + "s"));
}

TEST_CASE("rates are in bits, exact to the bit") {
    CHECK(parse_bandwidth("1.5Mbps") == 1500_kbps);
    CHECK(parse_bandwidth("0.1Gbps") == 100_Mbps);
    CHECK(parse_bandwidth("1.234567Mbps") == 1234567_bps);
    CHECK(parse_bandwidth("10Mbit/s") == 10_Mbps);
    CHECK(parse_bandwidth("2Tbps") == 2000_Gbps);
    CHECK(parse_bandwidth("1bps") == 1_bps);
    CHECK(parse_bandwidth("unlimited")->is_unlimited());
}

TEST_CASE("a rate that two tools read differently is refused, with the units") {
    for (const char* text : {"10MBps", "10mbps", "10Mbit", "10M", "10Kbps", "10MBit/s", "10",
                             "0bps", "-1bps", "0.5bps", "99999999999Tbps", "unlimitedMbps"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_bandwidth(text));
    }
    CHECK_THAT(parse_bandwidth("10mbps").error().message, Catch::Contains("bps, kbps, Mbps"));
    CHECK(unit_suggestion("10mbps") == "10Mbps");
    CHECK(unit_suggestion("10Mbit") == "10Mbps");
    CHECK(unit_suggestion("1.5MBps") == "12Mbps");
    CHECK(unit_suggestion("10sec") == "10s");
    CHECK(unit_suggestion("10Mbps").empty());
}

TEST_CASE("sizes know thousands from 1024s") {
    CHECK(parse_size("1500B") == 1500_B);
    CHECK(parse_size("256KB") == 256000_B);
    CHECK(parse_size("64KiB") == 65536_B);
    CHECK(parse_size("1.5MB") == 1500000_B);
    for (const char* text : {"0B", "5", "1.5B", "5kb", "5Kb", "-1B", "99999999TB"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_size(text));
    }
}

TEST_CASE("a chance is a percentage or a fraction") {
    CHECK(parse_probability("0.1%")->value() == 0.001);
    CHECK(parse_probability("0.001")->value() == 0.001);
    CHECK(parse_probability("100%")->value() == 1.0);
    CHECK(parse_probability("0")->value() == 0.0);
    for (const char* text : {"101%", "1.5", "-0.1", "nan", "inf", "5 %", "%", "1e400", "0x1"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_probability(text));
    }
}

TEST_CASE("what is printed is short") {
    CHECK(to_text(Duration{90s}) == "90s");
    CHECK(to_text(Duration{2h}) == "2h");
    CHECK(to_text(Duration{1500us}) == "1.5ms");
    CHECK(to_text(Duration{250us}) == "250us");
    CHECK(to_text(Duration{0}) == "0s");
    CHECK(to_text(60_Mbps) == "60Mbps");
    CHECK(to_text(1500_kbps) == "1.5Mbps");
    CHECK(to_text(Bandwidth::unlimited()) == "unlimited");
    CHECK(to_text(65536_B) == "64KiB");
    CHECK(to_text(256000_B) == "256KB");
    CHECK(to_text(Probability::of(0.001)) == "0.1%");
    CHECK(to_text(Probability::of(1.0)) == "100%");
}

TEST_CASE("whatever is printed is read back equal") {
    std::mt19937_64 random{1};
    for (int i = 0; i < 20'000; ++i) {
        // All magnitudes alike, and round numbers often.
        const auto shift = static_cast<int>(random() % 63);
        std::int64_t n =
            std::max<std::int64_t>(static_cast<std::int64_t>(random() >> 1) >> shift, 1);
        if (i % 2 == 0 && n > 1000) n -= n % 1000;
        if (n == std::numeric_limits<std::int64_t>::max()) --n;
        CAPTURE(n);
        REQUIRE(parse_duration(to_text(Duration{n})) == Duration{n});
        REQUIRE(parse_bandwidth(to_text(Bandwidth::bits_per_second(n))) ==
                Bandwidth::bits_per_second(n));
        REQUIRE(parse_size(to_text(DataSize::bytes(n))) == DataSize::bytes(n));
        const double p = static_cast<double>(n) * 0x1.0p-63 * (i % 3 == 0 ? 1e-200 : 1.0);
        REQUIRE(parse_probability(to_text(Probability::of(p)))->value() == p);
    }
}

}  // namespace pleat
