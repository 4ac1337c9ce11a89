// What hosts have written, on its way to the controller.
#include <filesystem>
#include <fstream>
#include <map>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "node/run_outputs.hh"
#include "wire/output_file.hh"

using namespace pleat;

namespace {

struct Directory {
    Directory() { std::filesystem::create_directories(path + "/logs"); }

    ~Directory() { std::filesystem::remove_all(path); }

    void write(const std::string& name, const std::string& text) const {
        std::ofstream{path + "/logs/" + name, std::ios::binary} << text;
    }

    std::string path = "/tmp/test-outputs-" + std::to_string(::getpid());
};

// As the controller puts it together: by host.
std::map<std::uint32_t, std::string> sent(const Directory& directory, std::uint64_t most) {
    std::vector<HostResult> hosts(2);
    hosts[0].log = "logs/a.log";
    hosts[1].host = HostId{1};
    hosts[1].log = "logs/b.log";
    std::map<std::uint32_t, std::string> all;
    send_outputs(
        directory.path, hosts,
        [&all](const ControlMessage& message) {
            const auto& chunk = std::get<OutputChunk>(message);
            CHECK(chunk.offset == all[chunk.host.value].size());
            CHECK(chunk.bytes.size() <= (std::size_t{1} << 20) + 200);
            all[chunk.host.value] += chunk.bytes;
        },
        most);
    return all;
}

}  // namespace

TEST_CASE("outputs arrive whole, whatever their size; one that is missing is empty") {
    const Directory directory;
    for (const std::size_t size : {0U, 1U, 1U << 20U, (1U << 20U) + 1, 3'000'000U}) {
        std::string text(size, 'x');
        if (size > 0) text.back() = '.';
        directory.write("a.log", text);
        const auto all = sent(directory, kMostOutputBytes);
        REQUIRE(all.size() == 2);
        CHECK(all.at(0) == text);
        CHECK(all.at(1).empty());
    }
}

TEST_CASE("of a large output the end is sent, and the rest is named") {
    const Directory directory;
    directory.write("a.log", std::string(5000, 'a') + std::string(2000, 'b'));
    const std::string text = sent(directory, 2000).at(0);
    CHECK(text.find("5000 bytes before this") != std::string::npos);
    CHECK(text.substr(text.find('\n') + 1) == std::string(2000, 'b'));
}

TEST_CASE("an output is read from where the reader is") {
    const Directory directory;
    directory.write("a.log", "one two");
    const std::string path = directory.path + "/logs/a.log";
    CHECK(read_output(path, 4).bytes == "two");
    CHECK(read_output(path, 4).size == 7);
    CHECK(read_output(path, 7).bytes.empty());
    CHECK(read_output(path, 700).bytes.empty());
    CHECK(read_output(directory.path + "/nothing", 0).size == 0);
}
