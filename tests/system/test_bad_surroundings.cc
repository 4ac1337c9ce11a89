// Bad surroundings: full disks, ports in use, broken databases, forged messages,
// applications that never become ready. Each has a message and an end.
#include <csignal>
#include <cstring>
#include <filesystem>
#include <random>

#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "base/error.hh"
#include "base/files.hh"
#include "tests/system/processes.hh"
#include "tests/system/small_disk.hh"
#include "tests/system/topologies.hh"
#include "tests/system/workplace.hh"

using namespace pleat;
using namespace pleat::system_test;

namespace fs = std::filesystem;

namespace {

// All sockets of the runs under way.
std::vector<std::string> sockets(const Workplace& place) {
    std::vector<std::string> result;
    for (const std::string& directory : place.runtime_directories()) {
        std::error_code gone;
        for (const auto& entry : fs::recursive_directory_iterator{directory, gone}) {
            if (entry.is_socket(gone)) result.push_back(entry.path().string());
        }
    }
    return result;
}

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
}

// Connects to the socket as no program of ours would, and says something.
void shout_at(const std::string& path, const std::string& bytes) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(&address.sun_path, path.data(), path.size());
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
        const FileDescriptor socket{::socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
        if (::connect(socket.value(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
            continue;
        }
        static_cast<void>(!::send(socket.value(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    }
}

// A stranger that speaks ZeroMQ's protocol, but none of ours.
class Stranger {
  public:
    explicit Stranger(const std::string& path) {
        const int at_once = 0;
        ::zmq_setsockopt(socket_, ZMQ_LINGER, &at_once, sizeof at_once);
        ::zmq_connect(socket_, ("ipc://" + path).c_str());
    }

    ~Stranger() {
        ::zmq_close(socket_);
        ::zmq_ctx_term(context_);
    }

    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;

    void say(const std::vector<std::string>& frames) {
        for (std::size_t i = 0; i < frames.size(); ++i) {
            const int more = i + 1 < frames.size() ? ZMQ_SNDMORE : 0;
            ::zmq_send(socket_, frames[i].data(), frames[i].size(), ZMQ_DONTWAIT | more);
        }
    }

  private:
    void* context_ = ::zmq_ctx_new();
    void* socket_ = ::zmq_socket(context_, ZMQ_DEALER);
};

// A port of 127.0.0.1 that is taken.
class TakenPort {
  public:
    TakenPort() : socket_{check("cannot make a socket", ::socket(AF_INET, SOCK_STREAM, 0))} {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        auto* const raw = reinterpret_cast<sockaddr*>(&address);
        check("cannot bind", ::bind(socket_.value(), raw, sizeof address));
        check("cannot listen", ::listen(socket_.value(), 1));
        socklen_t size = sizeof address;
        ::getsockname(socket_.value(), raw, &size);
        number_ = ntohs(address.sin_port);
    }

    std::string number() const { return std::to_string(number_); }

  private:
    FileDescriptor socket_;
    std::uint16_t number_ = 0;
};

}  // namespace

TEST_CASE("a disk that is full at the start or fills up ends the run with a message") {
    if (!can_run_or_skips() || !is_root_or_skips("a small disk")) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    place.write("noisy.yaml", one_command("sh -c 'yes; sleep 1'"));
    fs::create_directory(place.path("full"));
    using Case = std::pair<std::string, std::string>;
    const auto [size, file] =
        GENERATE(Case{"4k", "t.yaml"}, Case{"64k", "t.yaml"}, Case{"400k", "noisy.yaml"});
    const SmallDisk disk{place.path("full"), size};
    const Ended ended = place.run({"run", file, "--out", "full"}, 30s);
    INFO(file << " on " << size << "\n" << ended.err);
    CHECK(ended.code == 1);
    const bool says = has(ended.err, "No space left") || has(ended.err, "no space is left") ||
                      has(ended.err, "disk");
    CHECK(says);
    CHECK(place.runtime_directories().empty());
    CHECK(processes_beneath(::getpid()).empty());
}

TEST_CASE("a place for runs that can't be written is refused before anything starts") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    const Ended ended = place.run({"run", "t.yaml", "--out", "/proc/nowhere"}, 10s);
    INFO(ended.err);
    CHECK(ended.code == 1);
    CHECK(has(ended.err, "/proc/nowhere"));
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("forged bytes on every socket of a run are dropped, and the run goes on") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", kThreeSeconds);
    Program run{place.pleat({"run", "t.yaml"})};
    REQUIRE(eventually(10s, [&] { return processes_beneath(run.pid()).size() >= 6; }));
    std::mt19937_64 random{5};
    const std::vector<std::string> targets = sockets(place);
    REQUIRE_FALSE(targets.empty());
    for (const std::string& path : targets) {
        INFO(path);
        shout_at(path, "");
        shout_at(path, "GET / HTTP/1.1\r\n\r\n");
        shout_at(path, random_bytes(random, 4000));
        // ZeroMQ's greeting, cut short, then lengths that nobody could hold.
        shout_at(path, std::string{"\xff\0\0\0\0\0\0\0\x01\x7f", 10});
        shout_at(path, std::string{"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0", 12} +
                           std::string(52, '\xff') + std::string(64, '\x7f'));
        Stranger stranger{path};
        stranger.say({""});
        stranger.say({"", ""});
        for (int i = 0; i < 200; ++i) stranger.say({random_bytes(random, random() % 300)});
        for (int i = 0; i < 50; ++i) {
            stranger.say({random_bytes(random, 8), random_bytes(random, random() % 2000)});
        }
        // Field 1, two gigabytes long, says its length.
        stranger.say({std::string{"\x0a\xff\xff\xff\xff\x07", 6}});
    }
    const Ended ended = run.finish();
    INFO(ended.err);
    CHECK(ended.code == 0);
    CHECK(place.left_behind() == kNothing);
}

TEST_CASE("a controller whose port is in use says so and ends") {
    Workplace place;
    const TakenPort port;
    const std::string endpoint = "tcp://127.0.0.1:" + port.number();
    const Ended ended = run_program(place.command({our_program("pleat-controller"), "--state",
                                                   place.path("state"), "--listen", endpoint}),
                                    10s);
    INFO(ended.out << ended.err);
    CHECK(ended.code != 0);
    CHECK(ended.code < 128);
    CHECK(has(ended.err, port.number()));
    CHECK(has(ended.err, "another process listens there"));
}

TEST_CASE("a controller refuses a database that is none, and does not touch it") {
    Workplace place;
    const std::string endpoint = "ipc://" + place.path("c.sock");
    const std::vector<std::string> line{our_program("pleat-controller"), "--state",
                                        place.path("state"), "--listen", endpoint};
    // Once to see how it calls its database.
    std::string database;
    {
        Program controller{place.command(line)};
        const bool made = eventually(5s, [&] {
            std::error_code gone;
            for (const auto& entry : fs::directory_iterator{place.path("state"), gone}) {
                if (entry.path().extension() == ".db") database = entry.path().string();
            }
            return !database.empty() && fs::exists(place.path("c.sock"));
        });
        INFO(controller.err());
        REQUIRE(made);
        controller.signal(SIGTERM);
        const Ended ended = controller.finish(5s);
        INFO(ended.err);
        CHECK(ended.code == 0);
    }
    for (const char* suffix : {"-wal", "-shm"}) fs::remove(database + suffix);
    std::mt19937_64 random{3};
    const std::string sound = read_file(database, 1U << 24U).value_or("");
    REQUIRE(sound.size() > 4096);
    std::string broken;
    SECTION("garbage") {
        broken = random_bytes(random, 10'000);
    }
    SECTION("its header is right, the rest is not") {
        broken = sound.substr(0, 100) + random_bytes(random, sound.size() - 100);
    }
    SECTION("cut short") {
        broken = sound.substr(0, sound.size() / 2 + 7);
    }
    write_new_file(database, broken);
    const Ended ended = run_program(place.command(line), 10s);
    INFO(ended.out << ended.err);
    CHECK(ended.code != 0);
    CHECK(ended.code < 128);
    CHECK(has(ended.err, database));
    CHECK(read_file(database, 1U << 24U) == broken);
}

TEST_CASE("a node that finds no controller says whom it waits for, and ends when asked") {
    Workplace place;
    fs::create_directory(place.path("r"));
    const std::string controller = "ipc://" + place.path("nobody.sock");
    Program node{place.command(
        {our_program("pleat-node"), "--controller", controller, "--runtime", place.path("r")})};
    CHECK(eventually(10s, [&] { return has(node.err(), "no controller answers at"); }));
    node.signal(SIGTERM);
    const Ended ended = node.finish(5s);
    INFO(ended.err);
    CHECK(has(ended.err, controller));
    CHECK(ended.code < 128);
}

TEST_CASE("an application that never becomes ready ends the run, which says what it waited for") {
    if (!can_run_or_skips()) return;
    Workplace place;
    place.write("t.yaml", R"(pleat: 1
name: waiting
duration: 5s
hosts:
  slow: {run: sleep 600, ready: {file: /no/such/file}}
  b: {}
links:
  - slow -- b: 1ms
)");
    const Ended ended = place.run({"run", "t.yaml"}, 45s);
    INFO(ended.err);
    CHECK(ended.code == 1);
    CHECK(ended.took > 25s);
    CHECK(has(ended.err, "slow"));
    CHECK(has(ended.err, "ready"));
    CHECK(place.left_behind() == kNothing);
}
