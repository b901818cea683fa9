// posix_spawn, one pipe, waitpid. Support layer.
#include "support/subprocess.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <vector>

#include <fathom/error.hpp>

#include "support/files.hpp"

extern char** environ;

namespace fathom::support {

ProcessResult run_process(std::span<const std::string> argv) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw Error(ErrorCode::kIo, fmt::format("start {}: pipe: {}", argv[0], errno_text(errno)));
  }
  const FileDescriptor read_end(ends[0]);
  FileDescriptor write_end(ends[1]);

  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, write_end.get(), STDERR_FILENO);
  pid_t pid = 0;
  const int error =
      ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw Error(ErrorCode::kIo, fmt::format("start {}: {}", argv[0], errno_text(error)));
  }

  write_end = FileDescriptor();  // or the read below would wait for ourselves
  ProcessResult result;
  result.output = read_all(read_end.get()).value_or("");
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno == EINTR) continue;
    throw Error(ErrorCode::kIo,
                fmt::format("run {}: its exit code is lost: {}; a process that ignores SIGCHLD or "
                            "waits for every child cannot start programs: set SIGCHLD to SIG_DFL",
                            argv[0], errno_text(errno)));
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string command_text(std::span<const std::string> argv) {
  std::string text;
  for (const std::string& argument : argv) {
    if (!text.empty()) text += ' ';
    const bool plain =
        !argument.empty() && argument.find_first_of(" \t\n'\"\\$&;()<>|*?`") == std::string::npos;
    text += plain ? argument : "'" + argument + "'";
  }
  return text;
}

}  // namespace fathom::support
