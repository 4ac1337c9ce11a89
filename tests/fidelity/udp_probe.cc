// Round trips of UDP datagrams, to the microsecond:
//
//     udp_probe serve PORT
//     udp_probe ask HOST PORT COUNT INTERVAL_US
//
// `ask` prints a line for each datagram: its number and the round trip in microseconds,
// or "lost". The time from the server's kernel to the server's answer is taken off: what is
// left is that of the network and of the two kernels.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/fidelity/kernel_stamp.hh"

using namespace pleat::fidelity;
using std::chrono::nanoseconds;

namespace {

struct Datagram {
    std::uint32_t number = 0;
    std::uint32_t stay_ns = 0;  // how long it was at the server
};

constexpr std::uint32_t kGreeting = 0xffffffff;  // the number of those sent until one answers
constexpr std::chrono::seconds kPatience{10};

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(EXIT_FAILURE);
}

struct Received {
    Datagram datagram;
    nanoseconds at{};
    sockaddr_storage from{};
    socklen_t from_size = 0;
};

Received receive(int socket) {
    Received result;
    alignas(cmsghdr) char control[128];
    iovec part{&result.datagram, sizeof result.datagram};
    msghdr message{};
    message.msg_name = &result.from;
    message.msg_namelen = sizeof result.from;
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (::recvmsg(socket, &message, 0) < 0) fail("udp_probe: receive");
    result.from_size = message.msg_namelen;
    const auto at = received_at(message);
    if (!at) fail("udp_probe: the kernel did not note when a datagram came");
    result.at = *at;
    return result;
}

addrinfo* look_up(const char* host, const char* port) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = host == nullptr ? AI_PASSIVE : 0;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host, port, &hints, &found) != 0) fail("udp_probe: look up the address");
    return found;
}

int open_socket() {
    const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket < 0 || !stamp_packets(socket)) fail("udp_probe: open a socket");
    return socket;
}

[[noreturn]] void serve(const char* port) {
    const int socket = open_socket();
    const addrinfo* const local = look_up(nullptr, port);
    if (::bind(socket, local->ai_addr, local->ai_addrlen) != 0) fail("udp_probe: bind");
    for (;;) {
        Received asked = receive(socket);
        const nanoseconds stay = now_of(CLOCK_MONOTONIC) - asked.at;
        asked.datagram.stay_ns = static_cast<std::uint32_t>(stay.count());
        ::sendto(socket, &asked.datagram, sizeof asked.datagram, 0,
                 reinterpret_cast<const sockaddr*>(&asked.from), asked.from_size);
    }
}

bool readable_until(int socket, nanoseconds deadline) {
    const nanoseconds left =
        std::max(deadline - now_of(CLOCK_MONOTONIC), std::chrono::nanoseconds::zero());
    const timespec time{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
    pollfd wanted{.fd = socket, .events = POLLIN, .revents = 0};
    return ::ppoll(&wanted, 1, &time, nullptr) > 0;
}

void send_number(int socket, std::uint32_t number) {
    const Datagram datagram{.number = number};
    // Refused while the server is not there yet.
    if (::send(socket, &datagram, sizeof datagram, 0) < 0 && number != kGreeting) {
        fail("udp_probe: send");
    }
}

void greet(int socket) {
    const nanoseconds deadline = now_of(CLOCK_MONOTONIC) + kPatience;
    while (now_of(CLOCK_MONOTONIC) < deadline) {
        send_number(socket, kGreeting);
        if (!readable_until(socket, now_of(CLOCK_MONOTONIC) + std::chrono::milliseconds{500})) {
            continue;
        }
        Datagram answer;
        if (::recv(socket, &answer, sizeof answer, 0) == sizeof answer) return;
    }
    std::fprintf(stderr, "udp_probe: no answer in 10 s\n");
    std::exit(EXIT_FAILURE);
}

void ask(const char* host, const char* port, std::uint32_t count, nanoseconds interval) {
    const int socket = open_socket();
    const addrinfo* const server = look_up(host, port);
    if (::connect(socket, server->ai_addr, server->ai_addrlen) != 0) fail("udp_probe: connect");
    greet(socket);

    std::vector<nanoseconds> sent(count);
    std::vector<double> microseconds(count, -1.0);
    std::uint32_t next = 0;
    std::uint32_t answered = 0;
    const nanoseconds began = now_of(CLOCK_MONOTONIC) + interval;
    while (answered < count) {
        // When the next is sent or, after the last, what is not back is given up.
        nanoseconds due = began + next * interval;
        if (next == count) due += kPatience;
        if (!readable_until(socket, due)) {
            if (next == count) break;
            sent[next] = now_of(CLOCK_MONOTONIC);
            send_number(socket, next++);
            continue;
        }
        const Received answer = receive(socket);
        const std::uint32_t number = answer.datagram.number;
        if (number >= next || microseconds[number] >= 0) continue;  // a late greeting, or twice
        const nanoseconds trip = answer.at - sent[number] - nanoseconds{answer.datagram.stay_ns};
        microseconds[number] = static_cast<double>(trip.count()) / 1e3;
        ++answered;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        if (microseconds[i] < 0) {
            std::printf("%u lost\n", i);
        } else {
            std::printf("%u %.1f\n", i, microseconds[i]);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> arguments{argv + 1, argv + argc};
    if (arguments.size() == 2 && arguments[0] == "serve") serve(argv[2]);
    if (arguments.size() != 5 || arguments[0] != "ask") {
        std::fprintf(stderr,
                     "usage: udp_probe serve PORT | udp_probe ask HOST PORT COUNT INTERVAL_US\n");
        return 2;
    }
    ask(argv[2], argv[3], static_cast<std::uint32_t>(std::stoul(arguments[3])),
        std::chrono::microseconds{std::stol(arguments[4])});
    return EXIT_SUCCESS;
}
