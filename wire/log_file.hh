// The run log as a file, and as the bytes that a node sends of it: records one after
// another, each with its length and a check sum before it. A file that was cut off at
// any byte gives all records before the cut.
//
//     record = length (u32, little endian) | CRC-32 of the body (u32) | body
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/file_descriptor.hh"
#include "base/result.hh"
#include "wire/codec.hh"

namespace pleat {

// One record as it stands in the log.
std::string framed(const LogRecord& record);

// Appends records to a file of its own. Records are in the file after flush(), which the
// caller does at least once a second.
class LogWriter {
  public:
    // Creates the file, or appends to it. Throws Failure.
    explicit LogWriter(std::string path);
    ~LogWriter();  // flushes
    LogWriter(const LogWriter&) = delete;
    LogWriter& operator=(const LogWriter&) = delete;

    void write(const LogRecord& record);

    // Fails when the disk is full or broken: "cannot write …: No space left on device".
    // What could not be written stays in memory, up to a bound, for the next call.
    Result<void> flush();

    const std::string& path() const { return path_; }

    // Bytes in the file and in memory.
    std::uint64_t size() const { return written_ + buffer_.size(); }

    // Records that were thrown away because memory was full and the disk, too.
    std::uint64_t lost_records() const { return lost_; }

  private:
    std::string path_;
    FileDescriptor file_;
    std::string buffer_;
    std::uint64_t written_ = 0;
    std::uint64_t lost_ = 0;
};

// Takes a log in pieces of any size.
class LogDecoder {
  public:
    using Callback = std::function<void(const LogRecord&)>;

    // Fails on a broken record; after that nothing more is accepted.
    Result<void> feed(std::string_view bytes, const Callback& callback);

    std::uint64_t records() const { return records_; }

    // Bytes of a record that has not come in whole.
    std::size_t incomplete() const { return pending_.size(); }

  private:
    std::string pending_;
    std::uint64_t records_ = 0;
    bool broken_ = false;
};

struct LogSummary {
    std::uint64_t records = 0;
    std::uint64_t incomplete_bytes = 0;  // a tail that was cut off
};

// Reads a whole log. Fails on a broken record in its middle, after having told all
// before it; a tail that was cut off is no failure.
Result<LogSummary> read_log(std::string_view bytes, const LogDecoder::Callback& callback);
Result<LogSummary> read_log_file(const std::string& path, const LogDecoder::Callback& callback);

}  // namespace pleat
