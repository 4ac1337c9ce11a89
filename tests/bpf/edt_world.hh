// A world for tests of the edt plane's program: it is given packets by BPF_PROG_TEST_RUN
// and told the time; what it decided is looked at. Nothing is sent anywhere.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/duration.hh"
#include "model/path_element.hh"
#include "node/dataplane/edt/edt_object.hh"

namespace pleat::testing {

using namespace std::chrono_literals;

// A test begins. False where there is no BPF: then it is counted as skipped.
bool bpf_case_begins();
// One that has begun lacks something.
void skip_bpf_case(const std::string& missing);

// At the head of each test.
#define NEEDS_BPF() \
    if (!::pleat::testing::bpf_case_begins()) return

using Bytes = std::vector<std::uint8_t>;

// A packet on Ethernet, and what the kernel knows of it.
struct Frame {
    std::uint32_t source = 0;       // place
    std::uint32_t destination = 1;  // host
    std::uint32_t bytes = 1014;     // with Ethernet's header
    std::uint8_t protocol = 17;
    bool v6 = false;
    std::uint32_t options = 0;          // bytes of IPv4 options
    std::vector<std::uint16_t> tags{};  // of VLANs: ethertypes
    std::uint16_t gso_segments = 0;
    std::uint16_t gso_size = 0;
    std::uint32_t wire_bytes = 0;
    std::uint32_t priority = 0;
    std::uint32_t mark = 0;
};

// Headers right, with checksums complete; the payload is a pattern.
Bytes bytes_of(const Frame& frame);

// IPv4 10.0.0.n+1 and fd00::n+1.
std::uint32_t address4(std::uint32_t host);
std::array<std::uint8_t, 16> address6(std::uint32_t host);

// A row: 0 for what is not said, reachable, an endless queue, Ethernet's overhead.
edt_path row(Duration delay = 0s);

// ns per byte in the program's units, rounded up.
std::uint64_t time_per_byte(Bandwidth rate);

// A chance in the program's units.
std::uint32_t chance(double probability);

// The row that means the same.
edt_path row_of(const PathShape& shape);

class EdtWorld {
  public:
    static constexpr Duration kStart = 1h;  // when the first epoch begins

    explicit EdtWorld(const EdtSetup& setup = {
                          .sources = 2, .destinations = 4, .uplinks = 2, .seed = 1});

    EdtObject& object() { return object_; }

    // The path's row of slot 0.
    edt_path& path(std::uint32_t source, std::uint32_t destination, unsigned slot = 0) {
        return object_.paths(slot)[object_.path(source, destination)];
    }

    const edt_counters& counters(std::uint32_t source, std::uint32_t destination) const {
        return object_.counters()[object_.path(source, destination)];
    }

    struct Sent {
        int verdict = -1;
        Duration delivery{};  // since kStart; when it passed
        std::uint32_t flow = 0;
        std::uint32_t priority = 0;
        std::uint32_t mark = 0;
        Bytes bytes{};
        bool duplicate = false;

        bool passed() const { return verdict == 0; }
    };

    // A packet at an instant since kStart.
    Sent send(const Frame& frame, Duration when) { return send(frame, bytes_of(frame), when); }

    Sent send(const Frame& frame, const Bytes& bytes, Duration when);

    std::vector<edt_event> events();

  private:
    EdtObject object_;
};

}  // namespace pleat::testing
