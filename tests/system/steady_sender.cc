// steady_sender MILLISECONDS BYTES I N: one of N hosts named h[0] to h[N-1], this one h[I]. Sends a
// datagram of this size to each of the others, again and again after so long, spread over the time
// between; and writes a line each second.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace {

constexpr const char* kPort = "7000";

sockaddr_in address_of(const std::string& host) {
    addrinfo hints{};
    hints.ai_family = AF_INET;
    hints.ai_socktype = SOCK_DGRAM;
    addrinfo* found = nullptr;
    if (::getaddrinfo(host.c_str(), kPort, &hints, &found) != 0) {
        std::fprintf(stderr, "there is no host %s\n", host.c_str());
        std::exit(1);
    }
    sockaddr_in address{};
    std::memcpy(&address, found->ai_addr, sizeof address);
    ::freeaddrinfo(found);
    return address;
}

long number(const char* text) {
    return std::strtol(text, nullptr, 10);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    const long interval_ns = number(argv[1]) * 1'000'000;
    const std::vector<char> content(static_cast<std::size_t>(number(argv[2])));
    const long own = number(argv[3]);
    const long hosts = number(argv[4]);
    std::vector<sockaddr_in> others;
    for (long i = 0; i < hosts; ++i) {
        if (i != own) others.push_back(address_of("h-" + std::to_string(i)));
    }
    // Bound, and never read: what does not fit is dropped, and nobody is told that it came in vain.
    const int socket = ::socket(AF_INET, SOCK_DGRAM, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_port = others.front().sin_port;
    if (::bind(socket, reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0) return 1;
    const long pause_ns = interval_ns / static_cast<long>(others.size());
    timespec next{};
    ::clock_gettime(CLOCK_MONOTONIC, &next);
    const time_t begin = next.tv_sec;
    time_t told = begin;
    for (std::size_t i = 0;; i = (i + 1) % others.size()) {
        static_cast<void>(::sendto(socket, content.data(), content.size(), 0,
                                   reinterpret_cast<const sockaddr*>(&others[i]),
                                   sizeof others[i]));
        next.tv_nsec += pause_ns;
        if (next.tv_nsec >= 1'000'000'000) {
            next.tv_nsec -= 1'000'000'000;
            ++next.tv_sec;
        }
        ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, nullptr);
        if (next.tv_sec == told) continue;
        told = next.tv_sec;
        std::printf("second %ld\n", static_cast<long>(told - begin));
        std::fflush(stdout);
    }
}
