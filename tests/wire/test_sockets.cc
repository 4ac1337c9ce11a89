// Sockets in an event loop: nothing is lost in a flood, nothing bad gets through, and
// every refusal says why. All waits have a deadline.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <sched.h>
#include <zmq.hpp>

#include "base/realtime.hh"
#include "tests/wire/temporary_directory.hh"
#include "wire/control_socket.hh"
#include "wire/state_socket.hh"
#include "wire/zmq_source.hh"

using namespace pleat;
using namespace pleat::testing;
using namespace std::chrono_literals;

namespace {

struct World {
    boost::asio::io_context loop;
    TemporaryDirectory directory;
    std::string endpoint = "ipc://" + directory.path() + "/socket";

    // Turns the loop until `condition` holds, 10 s at most.
    bool until(const std::function<bool()>& condition) {
        const Instant deadline = monotonic_now() + 10s;
        loop.restart();
        while (!condition()) {
            if (monotonic_now() > deadline) return false;
            loop.run_one_for(10ms);
        }
        return true;
    }

    // Turns the loop for a while in which nothing should happen.
    void turn(Duration duration) {
        const Instant end = monotonic_now() + duration;
        while (monotonic_now() < end) loop.run_one_for(1ms);
    }
};

void ignore(const Sender&, const ControlMessage&) {}

// Of this process.
int realtime_threads() {
    int count = 0;
    for (const auto& thread : std::filesystem::directory_iterator{"/proc/self/task"}) {
        const int id = std::stoi(thread.path().filename().string());
        if ((::sched_getscheduler(id) & ~SCHED_RESET_ON_FORK) == SCHED_FIFO) ++count;
    }
    return count;
}

// Another program that speaks ZeroMQ.
struct Stranger {
    zmq::context_t context;
    zmq::socket_t socket;

    Stranger(zmq::socket_type type, const std::string& endpoint) : socket{context, type} {
        socket.set(zmq::sockopt::linger, 0);
        socket.connect(endpoint);
    }

    void say(const std::string& bytes) { socket.send(zmq::buffer(bytes)); }
};

}  // namespace

TEST_CASE("a control message goes there and an answer comes back") {
    World world;
    std::optional<ControlMessage> answer;
    std::unique_ptr<ControlServer> server;
    // The client is there first: it waits for the server.
    ControlClient client{
        world.loop, world.endpoint,
        [&answer](const Sender&, ControlMessage message) { answer = std::move(message); }};
    client.send(StartRun{"r-1"});
    server = std::make_unique<ControlServer>(
        world.loop, world.endpoint, [&server](const Sender& from, const ControlMessage& m) {
            if (m == ControlMessage{StartRun{"r-1"}}) server->send(from.peer, Refused{"not now"});
        });
    REQUIRE(world.until([&answer] { return answer.has_value(); }));
    CHECK(*answer == ControlMessage{Refused{"not now"}});
}

TEST_CASE("a flood in both directions arrives whole and in order") {
    // Each message is answered from within the handler, so that sends and wakes mix.
    constexpr std::uint32_t kMessages = 20'000;
    World world;
    std::unique_ptr<ControlServer> server;
    std::uint32_t arrived = 0;
    std::uint32_t answered = 0;
    bool in_order = true;
    server = std::make_unique<ControlServer>(
        world.loop, world.endpoint, [&](const Sender& from, const ControlMessage& message) {
            const auto& ping = std::get<ClockPing>(message);
            in_order = in_order && ping.sequence == arrived++;
            server->send(from.peer, ClockPong{ping.sequence, ping.sent, {}});
        });
    ControlClient client{
        world.loop, world.endpoint, [&](const Sender&, const ControlMessage& message) {
            in_order = in_order && std::get<ClockPong>(message).sequence == answered++;
        }};
    for (std::uint32_t i = 0; i < kMessages; ++i) {
        client.send(ClockPing{i, {}});
        if (i % 1000 == 0) world.turn(1ms);
    }
    CHECK(world.until([&] { return answered == kMessages; }));
    CHECK(in_order);
}

TEST_CASE("a socket's thread has real-time priority if the thread that makes it has") {
    CHECK(realtime_threads() == 0);
    std::jthread{[] {
        if (!take_realtime_priority()) {
            WARN("SKIPPED, real-time priority is not allowed here: not tried");
            return;
        }
        World world;
        const ControlServer server{world.loop, world.endpoint, ignore};
        // With ZeroMQ's two, for sockets that end and for I/O, as soon as they run.
        CHECK(world.until([] { return realtime_threads() == 3; }));
    }}.join();
    World world;
    const ControlServer server{world.loop, world.endpoint, ignore};
    CHECK(realtime_threads() == 0);
}

TEST_CASE("a flood does not keep others in the loop from their turn") {
    World world;
    int arrived = 0;
    int arrived_at_turn = 0;
    const ControlServer server{
        world.loop, world.endpoint, [&](const Sender&, const ControlMessage&) {
            if (++arrived > 1) return;
            boost::asio::post(world.loop, [&] { arrived_at_turn = arrived; });
        }};
    // As many as the sockets take: then all of them wait for the server.
    Stranger stranger{zmq::socket_type::dealer, world.endpoint};
    stranger.socket.set(zmq::sockopt::sndtimeo, 100);
    const std::string bytes = encode(ControlMessage{Shutdown{}});
    int sent = 0;
    while (stranger.socket.send(zmq::buffer(bytes))) ++sent;
    REQUIRE(sent > 1000);
    REQUIRE(world.until([&] { return arrived == sent; }));
    CHECK(arrived_at_turn >= 1);
    CHECK(arrived_at_turn <= 64);
}

TEST_CASE("a handler that throws loses no message that came after") {
    World world;
    int arrived = 0;
    ControlServer server{world.loop, world.endpoint,
                         [&arrived](const Sender&, const ControlMessage&) {
                             ++arrived;
                             if (arrived % 3 == 0) throw std::runtime_error{"a bug"};
                         }};
    ControlClient client{world.loop, world.endpoint, ignore};
    for (std::uint32_t i = 0; i < 100; ++i) client.send(ClockPing{i, {}});
    const Instant deadline = monotonic_now() + 10s;
    while (arrived < 100 && monotonic_now() < deadline) {
        try {
            world.loop.run_one_for(10ms);
        } catch (const std::runtime_error&) {
            continue;  // the next turn goes on
        }
    }
    CHECK(arrived == 100);
}

TEST_CASE("bad messages are dropped, counted and told once") {
    World world;
    int told = 0;
    bool arrived = false;
    ControlServer server{world.loop, world.endpoint,
                         [&arrived](const Sender&, const ControlMessage&) { arrived = true; }};
    server.on_bad_message([&told](const std::string&) { ++told; });
    Stranger stranger{zmq::socket_type::dealer, world.endpoint};
    for (int i = 0; i < 10; ++i) stranger.say("nonsense");
    stranger.socket.send(zmq::buffer(std::string{"one"}), zmq::send_flags::sndmore);
    stranger.socket.send(zmq::buffer(std::string{"two"}), zmq::send_flags::sndmore);
    for (int i = 0; i < 20; ++i) {
        stranger.socket.send(zmq::buffer(std::string{"many"}), zmq::send_flags::sndmore);
    }
    stranger.say("end");
    stranger.say(encode(ControlMessage{Shutdown{}}));
    REQUIRE(world.until([&arrived] { return arrived; }));
    CHECK(server.bad_messages() == 10);  // the one of many parts is dropped by the source
    CHECK(told == 1);
}

TEST_CASE("a message says who sent it, and of which run it is") {
    World world;
    std::vector<Sender> arrived;
    ControlServer server{
        world.loop, world.endpoint,
        [&](const Sender& from, const ControlMessage&) { arrived.push_back(from); }};
    std::vector<std::string> answered;
    ControlClient node{
        world.loop, world.endpoint,
        [&](const Sender& from, const ControlMessage&) { answered.push_back(from.run); }, "m1"};
    node.send(Hello{"m1", "0", 1, {}});
    node.send(LogEnd{1}, "r-1");
    node.send(LogEnd{1}, "r-2");
    REQUIRE(world.until([&] { return arrived.size() == 3; }));
    CHECK(arrived[0].run.empty());
    CHECK(arrived[0].name == "m1");
    CHECK(arrived[1].run == "r-1");
    CHECK(arrived[2].run == "r-2");
    server.send(arrived[0].peer, EndRun{}, "r-2");
    server.send(arrived[0].peer, Shutdown{});
    REQUIRE(world.until([&] { return answered.size() == 2; }));
    CHECK(answered == std::vector<std::string>{"r-2", ""});
}

TEST_CASE("a peer of another version can say hello and read why it is refused") {
    World world;
    std::optional<Hello> hello;
    ControlServer server{world.loop, world.endpoint,
                         [&](const Sender& from, const ControlMessage& m) {
                             hello = std::get<Hello>(m);
                             server.refuse(from.peer, hello->protocol, "too new");
                         }};
    Stranger stranger{zmq::socket_type::dealer, world.endpoint};
    Envelope envelope;
    envelope.version = kProtocolVersion + 6;
    stranger.say(encode(ControlMessage{StartRun{"r-1"}}, envelope));  // dropped
    stranger.say(encode(ControlMessage{Hello{"m1", "9.9", 1, {}}}, envelope));
    REQUIRE(world.until([&hello] { return hello.has_value(); }));
    CHECK(hello->version == "9.9");
    CHECK(hello->protocol == kProtocolVersion + 6);
    CHECK(server.bad_messages() == 1);
    zmq::message_t answer;
    stranger.socket.set(zmq::sockopt::rcvtimeo, 10'000);
    REQUIRE(stranger.socket.recv(answer));
    Envelope theirs;
    CHECK(decode_control(answer.to_string_view(), &theirs) == ControlMessage{Refused{"too new"}});
    CHECK(theirs.version == kProtocolVersion + 6);
}

TEST_CASE("sending to a peer that has gone says so") {
    World world;
    std::string peer;
    ControlServer server{world.loop, world.endpoint,
                         [&peer](const Sender& from, const ControlMessage&) { peer = from.peer; }};
    {
        ControlClient client{world.loop, world.endpoint, ignore};
        client.send(Shutdown{});
        REQUIRE(world.until([&peer] { return !peer.empty(); }));
        CHECK(server.send(peer, Shutdown{}));
    }
    CHECK(world.until([&] { return !server.send(peer, Shutdown{}); }));
    CHECK_FALSE(server.send("nobody", Shutdown{}));
}

TEST_CASE("a client that was sent too long a message hears what comes after") {
    World world;
    zmq::context_t context;
    zmq::socket_t server{context, zmq::socket_type::router};
    server.set(zmq::sockopt::linger, 0);
    server.bind(world.endpoint);
    int connected = 0;
    std::vector<ControlMessage> heard;
    ControlClient client{
        world.loop,
        world.endpoint,
        [&heard](const Sender&, ControlMessage message) { heard.push_back(std::move(message)); },
        "m1",
        {.pass = {}, .connected = [&connected] { ++connected; }, .refused = {}}};
    // Answers who is there next with these bytes.
    const auto answer = [&](const std::string& bytes) {
        client.send(StartRun{"r-1"});
        zmq::message_t peer;
        zmq::message_t said;
        if (!world.until(
                [&] { return server.recv(peer, zmq::recv_flags::dontwait).has_value(); })) {
            return false;
        }
        if (!server.recv(said, zmq::recv_flags::none)) return false;
        server.send(peer, zmq::send_flags::sndmore);
        return server.send(zmq::buffer(bytes), zmq::send_flags::none).has_value();
    };
    REQUIRE(world.until([&] { return connected == 1; }));
    REQUIRE(answer(std::string(kMaxControlBytes + 1, 'x')));
    REQUIRE(world.until([&] { return connected == 2; }));
    REQUIRE(answer(encode(Refused{"not now"}, Envelope{.run = {}, .sender = "controller"})));
    REQUIRE(world.until([&] { return !heard.empty(); }));
    CHECK(heard == std::vector<ControlMessage>{Refused{"not now"}});
    // One connection, not two: nothing is said twice.
    world.turn(300ms);
    CHECK(connected == 2);
}

TEST_CASE("the last message before the end still leaves") {
    World world;
    bool arrived = false;
    ControlServer server{world.loop, world.endpoint,
                         [&arrived](const Sender&, const ControlMessage&) { arrived = true; }};
    ControlClient{world.loop, world.endpoint, ignore}.send(Shutdown{});
    CHECK(world.until([&arrived] { return arrived; }));
}

TEST_CASE("a client without a server ends in bounded time") {
    World world;
    const Instant began = monotonic_now();
    {
        ControlClient client{world.loop, world.endpoint, ignore};
        client.send(Shutdown{});
    }
    CHECK(monotonic_now() - began < kLinger + 1s);
}

TEST_CASE("an endpoint in use is refused, and its owner keeps it") {
    World world;
    bool arrived = false;
    ControlServer server{world.loop, world.endpoint,
                         [&arrived](const Sender&, const ControlMessage&) { arrived = true; }};
    CHECK_THROWS_WITH((ControlServer{world.loop, world.endpoint, ignore}),
                      "cannot open " + world.endpoint + ": another process listens there");
    ControlClient client{world.loop, world.endpoint, ignore};
    client.send(Shutdown{});
    CHECK(world.until([&arrived] { return arrived; }));

    const Guard guard{make_key_pair(), [](const std::string&) { return true; }};
    ControlServer tcp{world.loop, "tcp://127.0.0.1:*", ignore, guard};
    CHECK_THROWS_WITH((ControlServer{world.loop, tcp.endpoint(), ignore, guard}),
                      "cannot open " + tcp.endpoint() + ": another process listens there");
}

TEST_CASE("a socket that a killed process left is taken over") {
    World world;
    const std::string path = world.directory.path() + "/socket";
    {
        // Bound, never removed.
        zmq::context_t context;
        zmq::socket_t socket{context, zmq::socket_type::router};
        socket.bind(world.endpoint);
        std::filesystem::create_hard_link(path, path + ".kept");
    }
    std::filesystem::rename(path + ".kept", path);
    CHECK_NOTHROW(ControlServer{world.loop, world.endpoint, ignore});
}

TEST_CASE("endpoints that can't be are refused with a reason") {
    World world;
    const auto open = [&world](const std::string& endpoint) {
        const ControlServer server{world.loop, endpoint, ignore};
    };
    using Catch::Contains;
    CHECK_THROWS_WITH(open("nonsense"), Contains("expected ipc:///PATH or tcp://"));
    CHECK_THROWS_WITH(open("tcp://0.0.0.0:7400"), Contains("connections over TCP need keys"));
    CHECK_THROWS_WITH(open("tcp://0.0.0.0"),
                      Contains("expected ipc:///PATH or tcp://ADDRESS:PORT"));
    CHECK_THROWS_WITH(open("ipc://relative"), Contains("an absolute path"));
    CHECK_THROWS_WITH(open("ipc:///" + std::string(120, 'x')), Contains("at most 107 bytes"));
    CHECK_THROWS_WITH(open("ipc:///nowhere/socket"), Contains("cannot open ipc:///nowhere/socket"));
    std::ofstream{world.directory.path() + "/socket"} << "precious";
    CHECK_THROWS_WITH(open(world.endpoint), Contains("there is a file of this name"));
    std::string kept;
    std::ifstream{world.directory.path() + "/socket"} >> kept;
    CHECK(kept == "precious");
}

TEST_CASE("the socket's file is removed at the end") {
    World world;
    {
        const ControlServer server{world.loop, world.endpoint, ignore};
    }
    CHECK_FALSE(std::filesystem::exists(world.directory.path() + "/socket"));
}

TEST_CASE("states go to subscribers of the run, who are greeted, and to them alone") {
    World world;
    std::vector<StateMessage> arrived;
    std::vector<std::string> greeted;
    std::unique_ptr<StatePublisher> publisher;
    publisher =
        std::make_unique<StatePublisher>(world.loop, world.endpoint, [&](const std::string& topic) {
            greeted.push_back(topic);
            publisher->publish(topic, Heartbeat{"m1", 1, greeted.size(), 0, {}});
        });
    const auto subscribe = [&](const std::string& run, bool listen) {
        auto subscriber = std::make_unique<StateSubscriber>(
            world.loop, run, [&arrived, listen](StateMessage message) {
                if (listen) arrived.push_back(std::move(message));
            });
        subscriber->connect({.states = world.endpoint, .snapshots = {}, .key = {}});
        return subscriber;
    };
    const auto first = subscribe("r-1", true);
    REQUIRE(world.until([&] { return arrived.size() == 1; }));
    // Everyone who comes is heard of, of the same topic, too.
    const auto second = subscribe("r-1", false);
    const auto other = subscribe("r-12", false);
    REQUIRE(world.until([&] { return greeted.size() == 3; }));
    const Heartbeat more{"m1", 1, 9, 0, {}};
    CHECK(publisher->publish("r-12", more) == 4 + encode(StateMessage{more}).size());
    CHECK(publisher->publish("r-1", more) == 3 + encode(StateMessage{more}).size());
    REQUIRE(world.until([&] { return arrived.size() == 3; }));
    CHECK(arrived.back() == StateMessage{more});
}

TEST_CASE("a subscriber that is too slow loses publications, and nobody else does") {
    World world;
    int subscribed = 0;
    StatePublisher publisher{world.loop, world.endpoint, [&](const std::string&) { ++subscribed; }};
    int arrived = 0;
    StateSubscriber quick{world.loop, "r-1", [&arrived](const StateMessage&) { ++arrived; }};
    quick.connect({.states = world.endpoint, .snapshots = {}, .key = {}});
    // Never reads.
    zmq::context_t context;
    zmq::socket_t slow{context, zmq::socket_type::sub};
    slow.set(zmq::sockopt::linger, 0);
    slow.set(zmq::sockopt::rcvhwm, 10);
    slow.set(zmq::sockopt::subscribe, "r-1");
    slow.connect(world.endpoint);
    REQUIRE(world.until([&] { return subscribed == 2; }));
    StateUpdate large;
    for (std::uint32_t i = 0; i < 2000; ++i) {
        large.flows.push_back({{HostId{i}, HostId{i + 1}}, DemandState::greedy()});
    }
    constexpr int kMessages = 20'000;
    for (int i = 0; i < kMessages; ++i) {
        publisher.publish("r-1", large);
        REQUIRE(world.until([&] { return arrived >= i - 100; }));
    }
    CHECK(world.until([&] { return arrived == kMessages; }));
}

TEST_CASE("bad states are dropped and counted") {
    World world;
    bool arrived = false;
    StateSubscriber subscriber{world.loop, "r-1",
                               [&arrived](const StateMessage&) { arrived = true; }};
    zmq::context_t context;
    zmq::socket_t stranger{context, zmq::socket_type::pub};
    stranger.set(zmq::sockopt::linger, 0);
    stranger.bind(world.endpoint);
    subscriber.connect({.states = world.endpoint, .snapshots = {}, .key = {}});
    CHECK(world.until([&] {
        stranger.send(zmq::buffer(std::string{"r-1"}), zmq::send_flags::sndmore);
        stranger.send(zmq::buffer(std::string{"nonsense"}));
        stranger.send(zmq::buffer(std::string{"r-1"}));
        world.turn(5ms);
        return subscriber.bad_messages() >= 4;
    }));
    CHECK_FALSE(arrived);
}

TEST_CASE("a snapshot is asked for and comes whole") {
    World world;
    StateUpdate state{.publisher = "m1",
                      .incarnation = 7,
                      .sequence = 42,
                      .epoch = EpochId{3},
                      .flows = {{{HostId{0}, HostId{1}}, DemandState::greedy()}},
                      .hosts = {{HostId{4}, {HostStatus::State::started, true, 3}}}};
    const SnapshotServer server{world.loop, world.endpoint,
                                [&state](const std::string& topic) -> std::optional<StateUpdate> {
                                    if (topic != "r-1") return {};
                                    return state;
                                }};
    std::optional<StateUpdate> arrived;
    const NodeAddress address{.states = {}, .snapshots = world.endpoint, .key = {}};
    SnapshotClient nobody{world.loop, address, "r-2",
                          [](const StateUpdate&) { FAIL("there is no such run"); }};
    nobody.request();
    SnapshotClient client{world.loop, address, "r-1",
                          [&arrived](StateUpdate update) { arrived = std::move(update); }};
    Stranger stranger{zmq::socket_type::dealer, world.endpoint};
    stranger.say("nonsense");
    client.request();
    REQUIRE(world.until([&] { return arrived && server.bad_messages() == 1; }));
    CHECK(*arrived == state);
}

TEST_CASE(
    "who finds nobody there tries again after 20 ms, then ever later, at last each half second") {
    World world;
    // Bound, and nobody listens.
    using boost::asio::ip::tcp;
    tcp::socket nobody{world.loop, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
    const auto context = std::make_shared<zmq::context_t>();
    ZmqSource source{world.loop, zmq::socket_type::dealer, 1000,
                     0ms,        [](const ZmqParts&) {},   context};
    // Its event says after how many milliseconds it will be tried again.
    const std::string name = "inproc://retries";
    REQUIRE(zmq_socket_monitor(source.socket().handle(), name.c_str(), ZMQ_EVENT_CONNECT_RETRIED) ==
            0);
    zmq::socket_t monitor{*context, zmq::socket_type::pair};
    monitor.connect(name);
    source.connect("tcp://127.0.0.1:" + std::to_string(nobody.local_endpoint().port()),
                   Pass{.keys = make_key_pair(), .server_key = make_key_pair().public_key});
    std::vector<std::uint32_t> pauses;
    REQUIRE(world.until([&] {
        zmq::message_t event;
        zmq::message_t address;
        while (monitor.recv(event, zmq::recv_flags::dontwait)) {
            static_cast<void>(monitor.recv(address));
            std::uint32_t pause = 0;
            std::memcpy(&pause, static_cast<const char*>(event.data()) + 2, sizeof pause);
            pauses.push_back(pause);
        }
        return pauses.size() >= 8;
    }));
    zmq_socket_monitor(source.socket().handle(), nullptr, 0);
    // Doubled each time, and up to 20 ms more by chance, so that many do not come together.
    for (std::size_t i = 0; i < pauses.size(); ++i) {
        INFO(i << ": " << pauses[i] << " ms");
        const std::uint32_t doubled = 20U << std::min<std::size_t>(i, 5);
        CHECK(pauses[i] >= std::min<std::uint32_t>(doubled, 500));
        CHECK(pauses[i] <= std::min<std::uint32_t>(doubled, 500) + 20);
    }
}

// ZeroMQ counts a connection that was made as a success, so that the pause does not grow.
TEST_CASE("who is connected and left at once comes back after 20 to 40 ms") {
    World world;
    using boost::asio::ip::tcp;
    tcp::acceptor port{world.loop, tcp::endpoint{boost::asio::ip::address_v4::loopback(), 0}};
    std::vector<Instant> came;
    const std::function<void()> accept = [&] {
        port.async_accept([&](const boost::system::error_code& error, tcp::socket) {
            if (error) return;
            came.push_back(monotonic_now());
            accept();  // that socket is closed
        });
    };
    accept();
    const ControlClient client{
        world.loop,
        "tcp://127.0.0.1:" + std::to_string(port.local_endpoint().port()),
        ignore,
        "m1",
        {.pass = Pass{.keys = make_key_pair(), .server_key = make_key_pair().public_key},
         .connected = [] {},
         .refused = {}}};
    REQUIRE(world.until([&] { return came.size() >= 10; }));
    for (std::size_t i = 1; i < came.size(); ++i) {
        CHECK(came[i] - came[i - 1] >= 15ms);
    }
}
