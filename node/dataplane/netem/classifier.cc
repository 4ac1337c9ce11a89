#include "node/dataplane/netem/classifier.hh"

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>
#include <system_error>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.hh"

// The program's bytes (bpf/CMakeLists.txt).
extern "C" {
extern const char pleat_bpf_netem_begin[];  // NOLINT: of the linker
extern const char pleat_bpf_netem_end[];    // NOLINT
}

namespace pleat {

namespace {

Failure failure(const std::string& what, int error) {
    return Failure{"cannot " + what + ": " + std::system_category().message(error)};
}

std::size_t page_rounded(std::size_t bytes) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return (bytes + page - 1) / page * page;
}

// What libbpf has warned of; it has no other way to say why. Warnings go into our errors.
thread_local std::string warnings;  // NOLINT: libbpf's printer knows no object

[[gnu::format(printf, 2, 0)]] int note(libbpf_print_level level, const char* format,
                                       va_list arguments) {
    if (level != LIBBPF_WARN) return 0;
    std::array<char, 1024> text{};
    const int size = std::vsnprintf(text.data(), text.size(), format, arguments);
    warnings += text.data();
    return size;
}

FileDescriptor new_rows(std::uint32_t size) {
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = BPF_F_MMAPABLE;
    FileDescriptor map{bpf_map_create(BPF_MAP_TYPE_ARRAY, "netem_rows", sizeof(std::uint32_t),
                                      sizeof(netem_row), size, &options)};
    if (!map.open()) throw failure("make a BPF map", errno);
    return map;
}

}  // namespace

template <typename T>
MappedArray<T>::MappedArray(int map, std::size_t size) : size_{size} {
    void* memory =
        ::mmap(nullptr, page_rounded(size * sizeof(T)), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    if (memory == MAP_FAILED) throw failure("map a BPF array", errno);
    begin_ = static_cast<T*>(memory);
}

template <typename T>
MappedArray<T>::~MappedArray() {
    if (begin_ != nullptr) ::munmap(begin_, page_rounded(size_ * sizeof(T)));
}

template class MappedArray<netem_row>;
template class MappedArray<netem_control>;
template class MappedArray<netem_totals>;

void Classifier::Close::operator()(bpf_object* object) const {
    bpf_object__close(object);
}

void Classifier::Close::operator()(ring_buffer* ring) const {
    ring_buffer__free(ring);
}

Classifier::Classifier(const AddressPlan& addresses, std::size_t hosts, bool pass_unknown,
                       Duration idle, bool fake_time)
    : hosts_{hosts} {
    libbpf_set_print(note);
    warnings.clear();
    std::array<char, 64UL * 1024> log{};
    bpf_object_open_opts options{};
    options.sz = sizeof options;
    options.object_name = "netem";
    options.kernel_log_buf = log.data();
    options.kernel_log_size = log.size();
    object_.reset(bpf_object__open_mem(
        pleat_bpf_netem_begin,
        static_cast<std::size_t>(pleat_bpf_netem_end - pleat_bpf_netem_begin), &options));
    if (object_ == nullptr) {
        throw Failure{failure("read the BPF classifier", errno).what() + ("\n" + warnings)};
    }
    const auto size = static_cast<std::uint32_t>(std::max<std::size_t>(hosts, 1));
    // Two addresses each.
    bpf_map__set_max_entries(bpf_object__find_map_by_name(object_.get(), "destinations"), 2 * size);
    bpf_map* sources = bpf_object__find_map_by_name(object_.get(), "sources");
    // The pattern of every source's map. (libbpf 1.1 can't change the program's own one.)
    const FileDescriptor pattern = new_rows(size);
    bpf_map__set_inner_map_fd(sources, pattern.value());
    const std::uint32_t constants = fake_time ? 1 : 0;
    bpf_map__set_initial_value(bpf_object__find_map_by_name(object_.get(), ".rodata"), &constants,
                               sizeof constants);
    if (bpf_object__load(object_.get()) < 0) {
        const int error = errno;
        std::string text = "\n" + warnings + log.data();
        if (text.size() > 2000) text = "\n..." + text.substr(text.size() - 2000);
        throw Failure{failure("load the BPF classifier", error).what() + text};
    }
    control_ = MappedArray<netem_control>{map("control"), 1};
    totals_ = MappedArray<netem_totals>{map("totals"), 1};
    control().idle_ns = static_cast<std::uint64_t>(idle.count());
    control().outside = NETEM_NO_DESTINATION;
    control().pass_unknown = pass_unknown ? 1 : 0;
    control().run_mask =
        static_cast<std::uint32_t>(~std::uint64_t{0} << (32 - addresses.prefix_length));
    control().run_network = addresses.base & control().run_mask;
    for (std::uint32_t host = 0; host < hosts; ++host) {
        const std::uint32_t v4 = htonl(addresses.ipv4(HostId{host}));
        std::array<std::uint8_t, 16> key{};
        key[10] = key[11] = 0xff;
        std::memcpy(key.data() + 12, &v4, sizeof v4);
        for (const auto& address : {key, addresses.ipv6(HostId{host})}) {
            if (bpf_map_update_elem(map("destinations"), address.data(), &host, BPF_ANY) < 0) {
                throw failure("tell the BPF classifier an address", errno);
            }
        }
    }
    const auto take = [](void* self, void* data, std::size_t) {
        static_cast<Classifier*>(self)->take_(*static_cast<const netem_event*>(data));
        return 0;
    };
    events_.reset(ring_buffer__new(map("events"), take, this, nullptr));
    if (events_ == nullptr) throw failure("open the BPF classifier's events", errno);
}

Classifier::~Classifier() = default;

int Classifier::map(const char* name) const {
    return bpf_object__find_map_fd_by_name(object_.get(), name);
}

int Classifier::egress_program() const {
    return bpf_program__fd(bpf_object__find_program_by_name(object_.get(), "netem_egress"));
}

int Classifier::cut_program() const {
    return bpf_program__fd(bpf_object__find_program_by_name(object_.get(), "netem_cut"));
}

std::unique_ptr<Classifier::Source> Classifier::add_source(std::uint16_t place) {
    auto source = std::make_unique<Source>();
    source->place = place;
    const std::size_t size = std::max<std::size_t>(hosts_, 1);
    source->map = new_rows(static_cast<std::uint32_t>(size));
    source->rows = MappedArray<netem_row>{source->map.value(), size};
    const std::uint32_t key = place;
    const int descriptor = source->map.value();
    if (bpf_map_update_elem(map("sources"), &key, &descriptor, BPF_ANY) < 0) {
        throw failure("tell the BPF classifier an interface", errno);
    }
    return source;
}

void Classifier::remove_source(const Source& source) {
    const std::uint32_t key = source.place;
    static_cast<void>(bpf_map_delete_elem(map("sources"), &key));
}

void Classifier::set_outside(std::uint32_t destination) {
    control().outside = destination;
}

int Classifier::events_fd() const {
    return ring_buffer__epoll_fd(events_.get());
}

void Classifier::take_events(const std::function<void(const netem_event&)>& each) {
    take_ = each;
    ring_buffer__consume(events_.get());
    take_ = {};
}

}  // namespace pleat
