// Connections over TCP: who has no key that is known gets nothing and learns nothing.
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <zmq.hpp>

#include "base/error.hh"
#include "base/file_descriptor.hh"
#include "base/files.hh"
#include "tests/wire/temporary_directory.hh"
#include "wire/control_socket.hh"
#include "wire/membership.hh"
#include "wire/state_socket.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

void ignore(const Sender&, const ControlMessage&) {}

// A guarded server that knows one key.
struct World {
    World() { open("tcp://127.0.0.1:*"); }

    void open(const std::string& endpoint) {
        server = std::make_unique<ControlServer>(
            loop, endpoint,
            [this](const Sender& from, ControlMessage message) {
                senders.push_back(from);
                messages.push_back(std::move(message));
                server->send(from.peer, Done{});
            },
            Guard{.keys = keys, .admits = [this](const std::string& key) {
                      ++asked;
                      return key == friendly.public_key;
                  }});
    }

    bool until(const std::function<bool()>& condition) {
        const Instant deadline = monotonic_now() + 10s;
        while (!condition()) {
            if (monotonic_now() > deadline) return false;
            loop.run_one_for(10ms);
        }
        return true;
    }

    ClientConnection connection(const KeyPair& own, const std::string& server_key) {
        return {.pass = Pass{.keys = own, .server_key = server_key},
                .connected = [this] { ++connected; },
                .refused = [this](const std::string&) { ++refused; }};
    }

    // A known client is served: so whatever was done before did no harm.
    void check_service() {
        const std::size_t before = messages.size();
        bool answered = false;
        ControlClient client{loop, server->endpoint(),
                             [&answered](const Sender&, const ControlMessage&) { answered = true; },
                             "m1", connection(friendly, keys.public_key)};
        client.send(ListRuns{});
        REQUIRE(until([&answered] { return answered; }));
        CHECK(messages.size() == before + 1);
        CHECK(senders.back().key == friendly.public_key);
    }

    FileDescriptor raw_connection() const {
        const std::string endpoint = server->endpoint();
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port =
            htons(static_cast<std::uint16_t>(std::stoul(endpoint.substr(endpoint.rfind(':') + 1))));
        FileDescriptor socket{check("socket", ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
        check("connect",
              ::connect(socket.value(), reinterpret_cast<sockaddr*>(&address), sizeof address));
        return socket;
    }

    boost::asio::io_context loop;
    KeyPair keys = make_key_pair();
    KeyPair friendly = make_key_pair();
    std::unique_ptr<ControlServer> server;
    std::vector<Sender> senders;
    std::vector<ControlMessage> messages;
    int asked = 0;
    int connected = 0;
    int refused = 0;
};

}  // namespace

TEST_CASE("a known key is served, and each message says whose it is") {
    World world;
    world.check_service();
    CHECK(world.connected == 1);
    CHECK(world.refused == 0);
}

TEST_CASE("an unknown key is refused, says nothing and is told so") {
    World world;
    ControlClient client{world.loop, world.server->endpoint(), ignore, "m1",
                         world.connection(make_key_pair(), world.keys.public_key)};
    client.send(Shutdown{});
    REQUIRE(world.until([&world] { return world.refused > 0; }));
    CHECK(world.connected == 0);
    CHECK(world.messages.empty());
    world.check_service();
}

TEST_CASE("who expects another server does not talk to this one") {
    World world;
    ControlClient client{world.loop, world.server->endpoint(), ignore, "m1",
                         world.connection(world.friendly, make_key_pair().public_key)};
    client.send(Shutdown{});
    const Instant end = monotonic_now() + 300ms;
    world.until([end] { return monotonic_now() > end; });
    CHECK(world.connected == 0);
    CHECK(world.asked == 0);  // it did not come so far
    CHECK(world.messages.empty());
}

TEST_CASE("who has no keys at all gets nothing") {
    World world;
    zmq::context_t context;
    zmq::socket_t stranger{context, zmq::socket_type::dealer};
    stranger.set(zmq::sockopt::linger, 0);
    stranger.connect(world.server->endpoint());
    stranger.send(zmq::buffer(encode(ControlMessage{ListMachines{}})));
    world.check_service();
    zmq::message_t answer;
    CHECK_FALSE(stranger.recv(answer, zmq::recv_flags::dontwait));
    CHECK(world.messages.size() == 1);  // that of the check
}

TEST_CASE("bytes that are no handshake, or half of one, harm nobody") {
    World world;
    std::vector<FileDescriptor> connections;
    for (const std::string& bytes :
         {std::string{"GET / HTTP/1.1\r\n\r\n"}, std::string(100'000, '\xff'), std::string{"\xff"},
          std::string{"\xff\0\0\0\0\0\0\0\1\x7f\3\1CURVE", 17}, std::string{}}) {
        connections.push_back(world.raw_connection());
        static_cast<void>(
            ::send(connections.back().value(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    }
    world.check_service();
    CHECK(world.messages.size() == 1);
}

TEST_CASE("a client hears of its connection, also of each time that it is made anew") {
    World world;
    ControlClient client{world.loop, world.server->endpoint(), ignore, "m1",
                         world.connection(world.friendly, world.keys.public_key)};
    REQUIRE(world.until([&world] { return world.connected == 1; }));
    const std::string endpoint = world.server->endpoint();
    world.server.reset();
    world.open(endpoint);
    REQUIRE(world.until([&world] { return world.connected == 2; }));
    // Not before: what is on its way when a connection ends is lost with it.
    client.send(ListRuns{});
    REQUIRE(world.until([&world] { return !world.messages.empty(); }));
}

TEST_CASE("states and snapshots are for known keys only") {
    World world;
    const Guard guard{.keys = world.keys, .admits = [&world](const std::string& key) {
                          return key == world.friendly.public_key;
                      }};
    std::unique_ptr<StatePublisher> publisher;
    publisher = std::make_unique<StatePublisher>(
        world.loop, "tcp://127.0.0.1:*",
        [&publisher](const std::string& topic) {
            publisher->publish(topic, Heartbeat{"m1", 1, 1, 0, {}});
        },
        guard);
    const SnapshotServer snapshots{
        world.loop, "tcp://127.0.0.1:*",
        [](const std::string&) -> std::optional<StateUpdate> { return StateUpdate{}; }, guard};
    const NodeAddress address{.states = publisher->endpoint(),
                              .snapshots = snapshots.endpoint(),
                              .key = world.keys.public_key};
    int known = 0;
    int unknown = 0;
    StateSubscriber stranger{world.loop, "r-1", [&unknown](const StateMessage&) { ++unknown; },
                             make_key_pair()};
    stranger.connect(address);
    SnapshotClient curious{world.loop, address, "r-1",
                           [&unknown](const StateUpdate&) { ++unknown; }, make_key_pair()};
    curious.request();
    StateSubscriber subscriber{world.loop, "r-1", [&known](const StateMessage&) { ++known; },
                               world.friendly};
    subscriber.connect(address);
    SnapshotClient client{world.loop, address, "r-1", [&known](const StateUpdate&) { ++known; },
                          world.friendly};
    client.request();
    REQUIRE(world.until([&known] { return known == 2; }));
    CHECK(unknown == 0);
}

TEST_CASE("keys are written as text and read back, and what is none is refused") {
    const KeyPair keys = make_key_pair();
    CHECK(keys.public_key.size() == kKeyBytes);
    CHECK(pair_of(keys.secret_key) == keys);
    CHECK(parse_key(key_text(keys.public_key)).value() == keys.public_key);
    CHECK(parse_key("abc").error().message ==
          "expected a key of 64 hexadecimal digits, found 3 characters");
    CHECK_FALSE(parse_key(std::string(64, 'g')));
}

TEST_CASE("a join string is read back, and one that is cut off says so") {
    const JoinString join{"tcp://10.1.2.3:7400", make_key_pair().public_key,
                          make_key_pair().secret_key, true};
    CHECK(parse_join(join_text(join)).value() == join);
    const std::string text = join_text(join);
    CHECK_THAT(parse_join(text.substr(0, text.size() - 5)).error().message,
               Contains("the join string is damaged"));
    CHECK_THAT(parse_join("nonsense").error().message,
               Contains("what `pleat machines token` prints"));
    CHECK_FALSE(parse_join(""));
}

TEST_CASE("a membership is kept for this user alone") {
    const TemporaryDirectory directory;
    const std::string path = directory.path() + "/deep/er/membership";
    const Membership membership{"m1", "tcp://10.1.2.3:7400", make_key_pair().public_key,
                                make_key_pair()};
    write_membership(path, membership);
    CHECK(read_membership(path).value() == membership);
    struct stat facts{};
    REQUIRE(::stat(path.c_str(), &facts) == 0);
    CHECK((facts.st_mode & 0777U) == 0600);
    REQUIRE(::chmod(path.c_str(), 0644) == 0);
    CHECK_THAT(read_membership(path).error().message, Contains("others can reach it"));
    write_secret_file(path, "something else\n");
    CHECK_THAT(read_membership(path).error().message, Contains("join anew"));
}
