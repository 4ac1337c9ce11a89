// CommandStreams: gives the command of `pleat shell` our own standard input, output and
// error. They are offered on a socket in the run's runtime directory; the host's keeper takes
// them when it starts the command.
//
// (1) When our input and output are a terminal the command has a terminal of its own, and a
//     thread passes on what is typed and written: so Ctrl-C, job control and the window's
//     size reach the command, as with ssh. From then to the end our terminal is raw.
// (2) Otherwise the command has our descriptors themselves.
#pragma once

#include <memory>
#include <string>

namespace pleat {

class CommandStreams {
  public:
    // To be made while signals are blocked: its thread must not take them.
    explicit CommandStreams(const std::string& runtime_directory);

    // Passes on what has been written so far; our terminal is as it was.
    ~CommandStreams();

    CommandStreams(const CommandStreams&) = delete;
    CommandStreams& operator=(const CommandStreams&) = delete;

    // To be called now and then: the command's terminal is as large as ours.
    void follow_window();

  private:
    class Impl;

    std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
