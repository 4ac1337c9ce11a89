#include "node/dataplane/edt/edt_object.hh"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.hh"
#include "model/draw.hh"
#include "node/dataplane/edt/jitter_table.hh"

extern "C" const unsigned char pleat_bpf_edt_begin[];
extern "C" const unsigned char pleat_bpf_edt_end[];

namespace pleat {

namespace {

template <auto Free>
struct Freeing {
    template <typename T>
    void operator()(T* object) const noexcept {
        Free(object);
    }
};

using BpfObject = std::unique_ptr<bpf_object, Freeing<&bpf_object__close>>;
using RingBuffer = std::unique_ptr<ring_buffer, Freeing<&ring_buffer__free>>;

constexpr std::uint64_t kIdleNanoseconds = 100'000'000;

[[noreturn]] void fail_errno(const std::string& attempt, int error) {
    throw Failure{attempt + ": " + std::strerror(error)};
}

// The names of all maps that are kept, and of the programs; what is pinned has them, too.
constexpr std::array<const char*, 12> kMaps{"control",  "paths",      "uplinks",    "caps",
                                            "counters", "totals",     "states",     "calendars",
                                            "sources",  "addresses4", "addresses6", "events"};
constexpr const char* kEgress = "edt_egress";
constexpr const char* kDropAll = "edt_drop_all";
constexpr const char* kTest = "edt_test_second";

enum MapPlace : std::size_t {
    control_map,
    paths_map,
    uplinks_map,
    caps_map,
    counters_map,
    totals_map,
    states_map,
    calendars_map,
    sources_map,
    addresses4_map,
    addresses6_map,
    events_map,
};

// Those that are mapped, with the size of an element.
constexpr std::array<std::size_t, 6> kMapped{sizeof(edt_control),  sizeof(edt_path),
                                             sizeof(edt_uplink),   sizeof(std::uint64_t),
                                             sizeof(edt_counters), sizeof(edt_totals)};

using MapDescriptors = std::array<FileDescriptor, kMaps.size()>;

bpf_map_info info_of(const FileDescriptor& map) {
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (bpf_obj_get_info_by_fd(map.value(), &info, &size) < 0) {
        fail_errno("asking the kernel about a BPF map", errno);
    }
    return info;
}

// The end of what the verifier said: its reason, and the instructions before it.
std::string end_of_log(const std::vector<char>& buffer) {
    constexpr int kLines = 12;
    std::string_view log{buffer.data(), ::strnlen(buffer.data(), buffer.size())};
    while (!log.empty() && log.back() == '\n') log.remove_suffix(1);
    std::size_t begin = log.size();
    for (int line = 0; line < kLines && begin > 0; ++line) {
        const std::size_t newline = log.rfind('\n', begin - 1);
        begin = newline == std::string_view::npos ? 0 : newline;
    }
    if (begin > 0) ++begin;
    return std::string{log.substr(std::min(begin, log.size()))};
}

// Why the kernel would load no BPF program at all, or nothing when it would.
std::string what_is_missing() {
    const std::array<bpf_insn, 2> returns_zero{
        {{.code = BPF_ALU64 | BPF_MOV | BPF_K,
          .dst_reg = BPF_REG_0,
          .src_reg = 0,
          .off = 0,
          .imm = 0},
         {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}}};
    const FileDescriptor probe{bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, nullptr, "GPL",
                                             returns_zero.data(), returns_zero.size(), nullptr)};
    if (probe.open()) return {};
    switch (errno) {
        case ENOSYS:
            return "this kernel is built without BPF (CONFIG_BPF_SYSCALL)";
        case EPERM:
            return "loading BPF programs is not permitted: it needs root, or CAP_BPF and "
                   "CAP_NET_ADMIN in the machine's own user namespace";
        case EINVAL:
            return "this kernel knows no BPF programs of type sched_cls (CONFIG_NET_CLS_BPF)";
        default:
            return std::string{"this kernel refuses even an empty BPF program: "} +
                   std::strerror(errno);
    }
}

// What libbpf would print while it loads is in our errors.
class Quiet {
  public:
    Quiet() : before_{libbpf_set_print(nullptr)} {}

    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;

    ~Quiet() { libbpf_set_print(before_); }

  private:
    libbpf_print_fn_t before_;
};

void set_entries(bpf_object& object, MapPlace place, std::uint64_t entries) {
    constexpr std::uint64_t kMost = 0x7fffffff;
    const std::string name = kMaps[place];
    if (entries > kMost) {
        throw Failure{"the edt plane's map '" + name + "' would need " + std::to_string(entries) +
                      " entries; a BPF map holds at most " + std::to_string(kMost)};
    }
    bpf_map* const map = bpf_object__find_map_by_name(&object, kMaps[place]);
    PLEAT_ASSERT(map != nullptr);
    const int status = bpf_map__set_max_entries(map, static_cast<std::uint32_t>(entries));
    if (status < 0) fail_errno("sizing the BPF map '" + name + "'", -status);
}

void set_constants(bpf_object& object, bool fake_clock) {
    edt_constants constants{};
    constants.fake_clock = fake_clock ? 1 : 0;
    if (::getrandom(&constants.copy_key, sizeof constants.copy_key, 0) < 0) {
        fail_errno("drawing a random number", errno);
    }
    for (const auto distribution :
         {JitterDistribution::normal, JitterDistribution::uniform, JitterDistribution::pareto}) {
        fill_jitter_table(distribution, constants.jitter[static_cast<std::size_t>(distribution)]);
    }
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, &object) {
        if (std::string_view{bpf_map__name(map)}.find(".rodata") == std::string_view::npos) {
            continue;
        }
        const int status = bpf_map__set_initial_value(map, &constants, sizeof constants);
        if (status < 0) fail_errno("setting the constants of the edt plane's program", -status);
        return;
    }
    PLEAT_ASSERT(false);
}

std::string pin_path(const std::string& directory, const char* name) {
    return directory + "/" + name;
}

FileDescriptor pinned(const std::string& directory, const char* name) {
    FileDescriptor object{bpf_obj_get(pin_path(directory, name).c_str())};
    if (!object.open()) fail_errno("taking over " + pin_path(directory, name), errno);
    return object;
}

FileDescriptor duplicate_of(int descriptor) {
    return FileDescriptor{check("duplicating a BPF descriptor", ::dup(descriptor))};
}

}  // namespace

// The kernel's memory of an array map.
class EdtObject::Mapping {
  public:
    Mapping(const FileDescriptor& map, std::size_t place) {
        const bpf_map_info info = info_of(map);
        if (info.value_size != kMapped[place]) {
            throw Failure{std::string{"the BPF map '"} + kMaps[place] +
                          "' is another version's: its entries have " +
                          std::to_string(info.value_size) + " bytes, not " +
                          std::to_string(kMapped[place])};
        }
        entries_ = info.max_entries;
        bytes_ = std::size_t{info.max_entries} * info.value_size;
        memory_ = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, map.value(), 0);
        if (memory_ == MAP_FAILED) {
            fail_errno(std::string{"mapping the BPF map '"} + kMaps[place] + "'", errno);
        }
    }

    Mapping(Mapping&& other) noexcept
        : memory_{std::exchange(other.memory_, nullptr)},
          bytes_{other.bytes_},
          entries_{other.entries_} {}

    Mapping& operator=(Mapping&&) = delete;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;

    ~Mapping() {
        if (memory_ != nullptr) ::munmap(memory_, bytes_);
    }

    template <typename T>
    std::span<T> of() const {
        return {static_cast<T*>(memory_), entries_};
    }

  private:
    void* memory_ = nullptr;
    std::size_t bytes_ = 0;
    std::size_t entries_ = 0;
};

struct EdtObject::Maps {
    explicit Maps(MapDescriptors opened) : descriptors{std::move(opened)} {
        mapped.reserve(kMapped.size());
        for (std::size_t i = 0; i < kMapped.size(); ++i) mapped.emplace_back(descriptors[i], i);
        events.reset(ring_buffer__new(
            descriptors[events_map].value(),
            [](void* context, void* data, std::size_t size) {
                const Maps& self = *static_cast<const Maps*>(context);
                if (size >= sizeof(edt_event)) (*self.take)(*static_cast<const edt_event*>(data));
                return 0;
            },
            this, nullptr));
        if (!events) fail_errno("reading the edt plane's events", errno);
    }

    template <typename T>
    std::span<T> of(MapPlace place) const {
        return mapped[place].of<T>();
    }

    MapDescriptors descriptors;
    std::vector<Mapping> mapped;
    RingBuffer events;
    const std::function<void(const edt_event&)>* take = nullptr;
};

EdtObject::EdtObject() = default;
EdtObject::EdtObject(EdtObject&&) noexcept = default;
EdtObject& EdtObject::operator=(EdtObject&&) noexcept = default;
EdtObject::~EdtObject() = default;

EdtObject EdtObject::load(const EdtSetup& setup) {
    PLEAT_ASSERT(setup.sources > 0 && setup.destinations > 0 && setup.uplinks > 0);
    if (setup.sources > EDT_SOURCES_MAX) {
        throw Failure{"the edt plane takes at most " + std::to_string(EDT_SOURCES_MAX) +
                      " hosts a machine, not " + std::to_string(setup.sources)};
    }
    if (const std::string missing = what_is_missing(); !missing.empty()) throw Failure{missing};
    const Quiet quiet;
    bpf_object_open_opts options{};
    options.sz = sizeof options;
    options.object_name = "pleat_edt";
    const BpfObject object{bpf_object__open_mem(
        pleat_bpf_edt_begin, static_cast<std::size_t>(pleat_bpf_edt_end - pleat_bpf_edt_begin),
        &options)};
    if (!object) fail_errno("reading the edt plane's program", errno);

    const std::uint64_t paths = std::uint64_t{setup.sources} * setup.destinations;
    set_entries(*object, paths_map, paths * EDT_SLOTS);
    set_entries(*object, uplinks_map, std::uint64_t{setup.uplinks} * EDT_SLOTS);
    for (const auto place : {caps_map, counters_map, states_map}) {
        set_entries(*object, place, paths);
    }
    set_entries(*object, totals_map, static_cast<std::uint64_t>(libbpf_num_possible_cpus()));
    set_entries(*object, calendars_map, setup.uplinks);
    set_entries(*object, sources_map, setup.sources);
    for (const auto place : {addresses4_map, addresses6_map}) {
        set_entries(*object, place, std::uint64_t{setup.destinations} * 2);
    }
    set_constants(*object, setup.fake_clock);

    std::vector<char> log(std::size_t{1} << 20);
    bpf_program* program = nullptr;
    std::string loading = kEgress;
    bpf_object__for_each_program(program, object.get()) {
        const std::string_view name = bpf_program__name(program);
        const bool wanted =
            name == kEgress || name == kDropAll || (setup.test_program && name == kTest);
        bpf_program__set_autoload(program, wanted);
        bpf_program__set_log_buf(program, log.data(), log.size());
    }
    const int status = bpf_object__load(object.get());
    if (status < 0) {
        const std::string said = end_of_log(log);
        if (said.empty()) {
            fail_errno("loading the edt plane's maps (" + std::to_string(setup.sources) +
                           " sources, " + std::to_string(setup.destinations) + " destinations, " +
                           std::to_string(setup.uplinks) + " uplinks)",
                       -status);
        }
        bpf_object__for_each_program(program, object.get()) {
            if (bpf_program__autoload(program) && bpf_program__fd(program) < 0) {
                loading = bpf_program__name(program);
                break;
            }
        }
        throw Failure{"the kernel refuses the BPF program '" + loading + "' (" +
                      std::strerror(-status) + "). Its verifier says:\n" + said};
    }

    EdtObject self;
    bpf_object__for_each_program(program, object.get()) {
        const std::string_view name = bpf_program__name(program);
        if (bpf_program__fd(program) < 0) continue;
        FileDescriptor copy = duplicate_of(bpf_program__fd(program));
        (name == kEgress    ? self.egress_
         : name == kDropAll ? self.drop_all_
                            : self.test_) = std::move(copy);
    }
    MapDescriptors maps;
    for (std::size_t i = 0; i < kMaps.size(); ++i) {
        maps[i] = duplicate_of(bpf_object__find_map_fd_by_name(object.get(), kMaps[i]));
    }
    self.maps_ = std::make_unique<Maps>(std::move(maps));
    self.sources_ = setup.sources;
    self.destinations_ = setup.destinations;
    self.uplinks_ = setup.uplinks;

    edt_control& control = self.control();
    std::fill(std::begin(control.begins_at_ns), std::end(control.begins_at_ns), EDT_NEVER);
    control.seed_key = draw_seed_key(setup.seed);
    control.idle_ns = kIdleNanoseconds;
    control.destinations = setup.destinations;
    control.paths = static_cast<std::uint32_t>(paths);
    control.uplinks = setup.uplinks;
    control.outside = EDT_NO_DESTINATION;
    return self;
}

EdtObject EdtObject::adopt(const std::string& directory) {
    EdtObject self;
    self.egress_ = pinned(directory, kEgress);
    self.drop_all_ = pinned(directory, kDropAll);
    MapDescriptors maps;
    for (std::size_t i = 0; i < kMaps.size(); ++i) maps[i] = pinned(directory, kMaps[i]);
    self.sources_ = info_of(maps[sources_map]).max_entries;
    self.maps_ = std::make_unique<Maps>(std::move(maps));
    const edt_control& control = self.control();
    self.destinations_ = control.destinations;
    self.uplinks_ = control.uplinks;
    const std::uint64_t paths = std::uint64_t{self.sources_} * self.destinations_;
    if (paths == 0 || self.uplinks_ == 0 || control.paths != paths ||
        self.maps_->of<edt_counters>(counters_map).size() != paths ||
        self.maps_->of<edt_path>(paths_map).size() != paths * EDT_SLOTS ||
        self.maps_->of<edt_uplink>(uplinks_map).size() != std::size_t{self.uplinks_} * EDT_SLOTS) {
        throw Failure{"the BPF maps in " + directory + " don't fit each other"};
    }
    return self;
}

void EdtObject::pin(const std::string& directory) const {
    const auto place = [&directory](int descriptor, const char* name) {
        const std::string path = pin_path(directory, name);
        ::unlink(path.c_str());
        if (bpf_obj_pin(descriptor, path.c_str()) < 0) fail_errno("pinning " + path, errno);
    };
    place(egress_.value(), kEgress);
    place(drop_all_.value(), kDropAll);
    for (std::size_t i = 0; i < kMaps.size(); ++i) {
        place(maps_->descriptors[i].value(), kMaps[i]);
    }
}

void EdtObject::unpin(const std::string& directory) {
    const auto remove = [&directory](const char* name) {
        const std::string path = pin_path(directory, name);
        if (::unlink(path.c_str()) < 0 && errno != ENOENT) fail_errno("removing " + path, errno);
    };
    remove(kEgress);
    remove(kDropAll);
    for (const char* name : kMaps) remove(name);
}

std::uint64_t EdtObject::memory_bytes() const {
    std::uint64_t sum = 0;
    for (const FileDescriptor& map : maps_->descriptors) {
        const bpf_map_info info = info_of(map);
        // The kernel rounds values up to 8 bytes; a ring's size is its max_entries; an entry
        // of a hash has about 48 bytes beside.
        constexpr std::uint64_t kPerHashEntry = 48;
        const std::uint64_t value = (std::uint64_t{info.value_size} + 7) / 8 * 8;
        if (info.type == BPF_MAP_TYPE_RINGBUF) {
            sum += info.max_entries;
        } else if (info.type == BPF_MAP_TYPE_HASH) {
            const std::uint64_t key = (std::uint64_t{info.key_size} + 7) / 8 * 8;
            sum += info.max_entries * (key + value + kPerHashEntry);
        } else {
            sum += info.max_entries * value;
        }
    }
    return sum;
}

std::span<edt_path> EdtObject::paths(unsigned slot) {
    PLEAT_ASSERT(slot < EDT_SLOTS);
    const std::span<edt_path> all = maps_->of<edt_path>(paths_map);
    const std::size_t count = all.size() / EDT_SLOTS;
    return all.subspan(slot * count, count);
}

std::span<edt_uplink> EdtObject::uplinks(unsigned slot) {
    PLEAT_ASSERT(slot < EDT_SLOTS);
    const std::span<edt_uplink> all = maps_->of<edt_uplink>(uplinks_map);
    return all.subspan(std::size_t{slot} * uplinks_, uplinks_);
}

std::span<std::uint64_t> EdtObject::caps() {
    return maps_->of<std::uint64_t>(caps_map);
}

std::span<const edt_counters> EdtObject::counters() const {
    return maps_->of<const edt_counters>(counters_map);
}

edt_control& EdtObject::control() {
    return maps_->of<edt_control>(control_map).front();
}

edt_totals EdtObject::totals() const {
    edt_totals sum{};
    for (const edt_totals& row : maps_->of<const edt_totals>(totals_map)) {
        sum.packets_in += row.packets_in;
        sum.packets_out += row.packets_out;
        sum.bytes_out += row.bytes_out;
        sum.queue_drops += row.queue_drops;
        sum.loss_drops += row.loss_drops;
        sum.unreachable_drops += row.unreachable_drops;
        sum.unknown_destination += row.unknown_destination;
        sum.malformed_drops += row.malformed_drops;
        sum.clone_failures += row.clone_failures;
        sum.event_losses += row.event_losses;
    }
    return sum;
}

void EdtObject::set_source(std::uint32_t place, HostId host) {
    PLEAT_ASSERT(place < sources_);
    // The lock, its first half, is not copied.
    const std::array<std::uint32_t, 2> value{0, host.value};
    if (bpf_map_update_elem(maps_->descriptors[sources_map].value(), &place, value.data(),
                            BPF_ANY) < 0) {
        fail_errno("telling the edt plane's program of a host", errno);
    }
}

namespace {

void add(const FileDescriptor& map, const void* key, HostId destination, std::uint32_t room) {
    if (bpf_map_update_elem(map.value(), key, &destination.value, BPF_ANY) == 0) return;
    if (errno == E2BIG) {
        throw Failure{"the edt plane's program has room for " + std::to_string(room) +
                      " addresses of a version, and they are all taken"};
    }
    fail_errno("adding an address to the edt plane's program", errno);
}

void remove(const FileDescriptor& map, const void* key) {
    if (bpf_map_delete_elem(map.value(), key) < 0 && errno != ENOENT) {
        fail_errno("removing an address from the edt plane's program", errno);
    }
}

}  // namespace

void EdtObject::add_address(std::uint32_t ipv4, HostId destination) {
    const std::uint32_t key = htonl(ipv4);
    add(maps_->descriptors[addresses4_map], &key, destination, destinations_ * 2);
}

void EdtObject::add_address(const std::array<std::uint8_t, 16>& ipv6, HostId destination) {
    add(maps_->descriptors[addresses6_map], ipv6.data(), destination, destinations_ * 2);
}

void EdtObject::remove_address(std::uint32_t ipv4) {
    const std::uint32_t key = htonl(ipv4);
    remove(maps_->descriptors[addresses4_map], &key);
}

void EdtObject::remove_address(const std::array<std::uint8_t, 16>& ipv6) {
    remove(maps_->descriptors[addresses6_map], ipv6.data());
}

int EdtObject::events_descriptor() const {
    return ring_buffer__epoll_fd(maps_->events.get());
}

std::size_t EdtObject::take_events(const std::function<void(const edt_event&)>& take) {
    maps_->take = &take;
    const int taken = ring_buffer__consume(maps_->events.get());
    maps_->take = nullptr;
    if (taken < 0) fail_errno("reading the edt plane's events", -taken);
    return static_cast<std::size_t>(taken);
}

}  // namespace pleat
