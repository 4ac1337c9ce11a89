// Sends zeros by TCP from the first round trip on, until it is ended:
//
//     tcp_source HOST PORT [ALGORITHM]
//
// The congestion control is the machine's default, or what is named: one that a namespace may not
// have as its default can still be a socket's.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <netdb.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

[[noreturn]] void fail(const char* what) {
    std::perror(what);
    std::exit(EXIT_FAILURE);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        std::fputs("tcp_source HOST PORT [ALGORITHM]\n", stderr);
        return 2;
    }
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* server = nullptr;
    if (::getaddrinfo(argv[1], argv[2], &hints, &server) != 0) fail("tcp_source: look up the host");
    const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket < 0) fail("tcp_source: open a socket");
    if (argc > 3 && ::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, argv[3],
                                 static_cast<socklen_t>(std::strlen(argv[3]))) != 0) {
        fail("tcp_source: choose the congestion control");
    }
    if (::connect(socket, server->ai_addr, server->ai_addrlen) != 0) fail("tcp_source: connect");
    ::freeaddrinfo(server);
    static constexpr std::array<char, 65536> kZeros{};
    while (::send(socket, kZeros.data(), kZeros.size(), 0) >= 0) {
    }
    fail("tcp_source: send");
}
