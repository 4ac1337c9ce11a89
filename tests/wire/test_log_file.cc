// The run log as a file: complete, cut off, damaged, on a full disk.
#include <algorithm>
#include <fstream>

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include "tests/wire/random_messages.hh"
#include "tests/wire/temporary_directory.hh"
#include "wire/log_file.hh"

using namespace pleat;
using namespace pleat::testing;

namespace {

std::vector<LogRecord> random_records(int count) {
    Random random{7};
    std::vector<LogRecord> records(static_cast<std::size_t>(count));
    std::ranges::generate(records, [&random] { return random_record(random); });
    return records;
}

std::string bytes_of(const std::vector<LogRecord>& records) {
    std::string bytes;
    for (const LogRecord& record : records) bytes += framed(record);
    return bytes;
}

}  // namespace

TEST_CASE("a log file gives back what was written, also by a second writer") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/log";
    const std::vector<LogRecord> records = random_records(500);
    for (std::size_t half = 0; half < 2; ++half) {
        LogWriter writer{path};
        for (std::size_t i = half * 250; i < (half + 1) * 250; ++i) writer.write(records[i]);
        CHECK(writer.flush());
        struct stat status{};
        REQUIRE(::stat(path.c_str(), &status) == 0);
        CHECK(static_cast<std::uint64_t>(status.st_size) == writer.size());
    }
    std::vector<LogRecord> read;
    const auto summary = read_log_file(path, [&read](const LogRecord& r) { read.push_back(r); });
    REQUIRE(summary);
    CHECK(summary->records == 500);
    CHECK(summary->incomplete_bytes == 0);
    CHECK(read == records);
}

TEST_CASE("a log cut off at any byte gives all records before the cut") {
    const std::vector<LogRecord> records = random_records(12);
    const std::string bytes = bytes_of(records);
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        std::vector<LogRecord> read;
        const auto summary = read_log(std::string_view{bytes}.substr(0, cut),
                                      [&read](const LogRecord& r) { read.push_back(r); });
        REQUIRE(summary);
        REQUIRE(read.size() <= records.size());
        CHECK(std::equal(read.begin(), read.end(), records.begin()));
        CHECK(bytes_of(read).size() + summary->incomplete_bytes == cut);
    }
}

TEST_CASE("a log arrives whole in pieces of any size") {
    const std::vector<LogRecord> records = random_records(200);
    const std::string bytes = bytes_of(records);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}}) {
        std::vector<LogRecord> read;
        LogDecoder decoder;
        for (std::size_t at = 0; at < bytes.size(); at += piece) {
            REQUIRE(decoder.feed(std::string_view{bytes}.substr(at, piece),
                                 [&read](const LogRecord& r) { read.push_back(r); }));
        }
        CHECK(decoder.incomplete() == 0);
        CHECK(read == records);
    }
}

TEST_CASE("a damaged record is told, and nothing after it is read") {
    const std::vector<LogRecord> records = random_records(3);
    std::string bytes = bytes_of(records);
    bytes[framed(records[0]).size() + 8] ^= 1;  // in the body of the second
    int read = 0;
    const auto summary = read_log(bytes, [&read](const LogRecord&) { ++read; });
    REQUIRE_FALSE(summary);
    CHECK(summary.error().message == "record 1 of the log has a wrong check sum");
    CHECK(read == 1);
}

TEST_CASE("a forged length is refused before anything is set aside for it") {
    LogDecoder decoder;
    const std::string forged = std::string{"\xff\xff\xff\x7f", 4} + std::string(4, '\0');
    CHECK_FALSE(decoder.feed(forged, [](const LogRecord&) {}));
    CHECK_FALSE(decoder.feed("more", [](const LogRecord&) {}));
}

TEST_CASE("a full disk is told, and nothing is lost until memory is full") {
    LogWriter writer{"/dev/full"};
    for (const LogRecord& record : random_records(10)) writer.write(record);
    const auto flushed = writer.flush();
    REQUIRE_FALSE(flushed);
    CHECK(flushed.error().message == "cannot write /dev/full: No space left on device");
    CHECK(writer.lost_records() == 0);
}

TEST_CASE("a log that can't be opened is told by its path") {
    CHECK_THROWS_WITH(LogWriter{"/nowhere/log"},
                      "cannot open the run log /nowhere/log: No such file or directory");
}
