// Output: everything that a verb shows. Data goes to standard output, all else (notes,
// progress, warnings, errors) to standard error; progress only to a terminal.
//
// (1) With `quiet`, notes and progress are dropped; warnings, errors and data are not.
// (2) At most one progress line is on the screen; whatever comes next replaces it.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace pleat {

// How standard error looks, found once in main().
struct OutputStyle {
    bool terminal = false;  // progress lines make sense
    bool colour = false;
    bool quiet = false;
    std::size_t width = 80;  // columns of the terminal
};

// Colour for a stream: a terminal that is not "dumb", and NO_COLOR unset or empty.
bool wants_colour(bool terminal, const char* no_color, const char* term);

// The style of this process's standard error.
OutputStyle style_of_stderr();

class Output {
  public:
    using Sink = std::function<void(std::string_view)>;

    Output(OutputStyle style, Sink data, Sink notes);

    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    // Ends a progress line that is left on the screen.
    ~Output();

    const OutputStyle& style() const { return style_; }

    void be_quiet() { style_.quiet = true; }

    // To standard output, as it is.
    void data(std::string_view text);

    // One line to standard error; the newline is added.
    void note(std::string_view line);
    void warning(std::string_view line);  // "pleat: warning: …"
    void error(std::string_view line);    // "pleat: …"

    // Text to standard error as it is: rendered problems, the tail of a log.
    void complaint(std::string_view text);

    // A step that is done: "✔ hosts      6/6 ready (data plane: tun)          0.1s".
    void done(std::string_view step, std::string_view text, std::string_view took);
    void failed(std::string_view step, std::string_view text);

    // Replaces the progress line; an empty one removes it.
    void progress(std::string_view line);

    // `text` in a colour when standard error has them.
    std::string green(std::string_view text) const;
    std::string yellow(std::string_view text) const;
    std::string red(std::string_view text) const;

  private:
    void to_stderr(std::string_view text);
    std::string painted(std::string_view code, std::string_view text) const;

    OutputStyle style_;
    Sink data_;
    Sink notes_;
    std::string progress_;  // what is on the screen
};

// How many columns UTF-8 text takes, all characters being one column wide.
std::size_t columns(std::string_view text);

// At most `width` columns of it.
std::string_view clipped(std::string_view text, std::size_t width);

// `text` and spaces up to `width` columns.
std::string padded(std::string_view text, std::size_t width);

// Writes all of it to a stream; throws Failure that names the stream ("standard output")
// when that is impossible.
void write_to_stdout(std::string_view text);
void flush_stdout();

// The reader of standard output has gone (as in `pleat paths … | head`): no more is to
// be said. Thrown by write_to_stdout.
struct OutputClosed {};

}  // namespace pleat
