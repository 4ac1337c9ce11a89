// The run log as a file.
#include "wire/log_file.hh"

#include <array>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

namespace pleat {

namespace {

constexpr std::size_t kHeaderBytes = 8;
constexpr std::size_t kFlushBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxBufferBytes = std::size_t{64} << 20;
constexpr std::size_t kReadBytes = std::size_t{1} << 20;

// CRC-32 of IEEE 802.3, as in zip and PNG.
constexpr std::array<std::uint32_t, 256> crc_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < table.size(); ++i) {
        std::uint32_t value = i;
        for (int bit = 0; bit < 8; ++bit) {
            value = (value & 1U) != 0 ? (value >> 1U) ^ 0xedb88320U : value >> 1U;
        }
        table[i] = value;
    }
    return table;
}

constexpr std::array<std::uint32_t, 256> kCrcTable = crc_table();

std::uint32_t crc32(std::string_view bytes) {
    std::uint32_t crc = 0xffffffffU;
    for (const char byte : bytes) {
        crc = kCrcTable[(crc ^ static_cast<unsigned char>(byte)) & 0xffU] ^ (crc >> 8U);
    }
    return ~crc;
}

void append_u32(std::string& out, std::uint32_t value) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
        out.push_back(static_cast<char>((value >> shift) & 0xffU));
    }
}

std::uint32_t u32_at(std::string_view bytes, std::size_t offset) {
    std::uint32_t value = 0;
    for (unsigned i = 0; i < 4; ++i) {
        value |= std::uint32_t{static_cast<unsigned char>(bytes[offset + i])} << (8 * i);
    }
    return value;
}

std::string cannot(std::string_view what, const std::string& path) {
    return fmt::format("cannot {} {}: {}", what, path, std::strerror(errno));
}

}  // namespace

std::string framed(const LogRecord& record) {
    const std::string body = encode(record);
    std::string result;
    result.reserve(kHeaderBytes + body.size());
    append_u32(result, static_cast<std::uint32_t>(body.size()));
    append_u32(result, crc32(body));
    return result += body;
}

LogWriter::LogWriter(std::string path)
    : path_{std::move(path)},
      file_{::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)} {
    struct stat status{};
    if (!file_.open() || ::fstat(file_.value(), &status) < 0) {
        throw Failure{cannot("open the run log", path_)};
    }
    written_ = static_cast<std::uint64_t>(status.st_size);
}

LogWriter::~LogWriter() {
    // Whoever wants to know calls flush() before.
    [[maybe_unused]] const Result<void> flushed = flush();
}

void LogWriter::write(const LogRecord& record) {
    if (buffer_.size() >= kFlushBytes) {
        [[maybe_unused]] const Result<void> flushed = flush();
    }
    if (buffer_.size() >= kMaxBufferBytes) {
        ++lost_;
        return;
    }
    buffer_ += framed(record);
}

Result<void> LogWriter::flush() {
    std::size_t done = 0;
    int problem = 0;
    while (done < buffer_.size()) {
        const ssize_t n = ::write(file_.value(), buffer_.data() + done, buffer_.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            problem = errno;
            break;
        }
        done += static_cast<std::size_t>(n);
    }
    written_ += done;
    buffer_.erase(0, done);
    if (problem == 0) return {};
    errno = problem;
    return fail(cannot("write", path_));
}

Result<void> LogDecoder::feed(std::string_view bytes, const Callback& callback) {
    if (broken_) return fail("the log is broken before this");
    pending_ += bytes;
    std::size_t at = 0;
    while (pending_.size() - at >= kHeaderBytes) {
        const std::uint32_t length = u32_at(pending_, at);
        if (length > kMaxRecordBytes) {
            broken_ = true;
            return fail(fmt::format("record {} of the log has an impossible length", records_));
        }
        if (pending_.size() - at - kHeaderBytes < length) break;
        const std::string_view body = std::string_view{pending_}.substr(at + kHeaderBytes, length);
        if (crc32(body) != u32_at(pending_, at + 4)) {
            broken_ = true;
            return fail(fmt::format("record {} of the log has a wrong check sum", records_));
        }
        const Result<LogRecord> record = decode_record(body);
        if (!record) {
            broken_ = true;
            return fail(fmt::format("record {} of the log: {}", records_, record.error().message));
        }
        ++records_;
        at += kHeaderBytes + length;
        callback(*record);
    }
    pending_.erase(0, at);
    return {};
}

Result<LogSummary> read_log(std::string_view bytes, const LogDecoder::Callback& callback) {
    LogDecoder decoder;
    const Result<void> fed = decoder.feed(bytes, callback);
    if (!fed) return tl::unexpected{fed.error()};
    return LogSummary{.records = decoder.records(), .incomplete_bytes = decoder.incomplete()};
}

Result<LogSummary> read_log_file(const std::string& path, const LogDecoder::Callback& callback) {
    const FileDescriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
    if (!file.open()) return fail(cannot("open the run log", path));
    LogDecoder decoder;
    std::string buffer(kReadBytes, '\0');
    for (;;) {
        const ssize_t n = ::read(file.value(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(cannot("read", path));
        if (n == 0) break;
        const std::string_view piece{buffer.data(), static_cast<std::size_t>(n)};
        const Result<void> fed = decoder.feed(piece, callback);
        if (!fed) return fail(path + ": " + fed.error().message);
    }
    return LogSummary{.records = decoder.records(), .incomplete_bytes = decoder.incomplete()};
}

}  // namespace pleat
