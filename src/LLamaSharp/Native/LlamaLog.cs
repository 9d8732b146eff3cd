using System.Text;
using LLama.Native;
using Microsoft.Extensions.Logging;

namespace Hearth.LLamaSharp.Native;

/// <summary>What llama.cpp reports: its warnings and errors become the message of whatever fails, and go to the loggers of the models.</summary>
/// <remarks>llama.cpp has one log for the process and says nothing of texts in it. Safe to use from several threads.</remarks>
internal static class LlamaLog
{
    private const int MostLines = 32;
    private const int LongestLine = 400;

    private static readonly Lock s_lock = new();
    private static readonly List<ILogger> s_loggers = [];

    // What the thread that loads or decodes is told meanwhile.
    [ThreadStatic]
    private static Capture? s_capture;

    // Kept for as long as the process: native code calls it.
    private static readonly NativeLogConfig.LLamaLogCallback s_callback = Receive;

    /// <summary>The function that native code calls.</summary>
    public static NativeLogConfig.LLamaLogCallback Callback => s_callback;

    /// <summary>Has a logger told of warnings and errors until the result is disposed.</summary>
    public static IDisposable Tell(ILogger logger)
    {
        lock (s_lock)
            s_loggers.Add(logger);
        return new Subscription(logger);
    }

    /// <summary>Keeps what this thread is told until the result is disposed, instead of sending it to loggers.</summary>
    public static Capture Begin() => s_capture = new Capture(s_capture);

    private static void Receive(LLamaLogLevel level, string message)
    {
        if (level is not (LLamaLogLevel.Warning or LLamaLogLevel.Error or LLamaLogLevel.Continue))
            return;
        var line = message.Trim();
        if (line.Length > LongestLine)
            line = line[..LongestLine] + " …";
        if (line.Length == 0 || line.All(c => c == '.'))
            return;
        if (s_capture is { } capture)
        {
            if (level != LLamaLogLevel.Continue)
                capture.Add(level, line);
            return;
        }

        ILogger[] loggers;
        lock (s_lock)
            loggers = [.. s_loggers];
        foreach (var logger in loggers)
        {
            if (level == LLamaLogLevel.Error)
                logger.LogError("llama.cpp: {Message}", line);
            else if (level == LLamaLogLevel.Warning)
                logger.LogWarning("llama.cpp: {Message}", line);
        }
    }

    /// <summary>Lines that a thread was told.</summary>
    public sealed class Capture(Capture? outer) : IDisposable
    {
        private readonly List<string> _errors = [];
        private readonly List<string> _warnings = [];

        /// <summary>Warnings, in order.</summary>
        public IReadOnlyList<string> Warnings => _warnings;

        /// <summary>What was said of a failure, as one line; empty where nothing was.</summary>
        public string Reason
        {
            get
            {
                var text = new StringBuilder();
                foreach (var line in _errors.Count > 0 ? _errors : _warnings)
                    text.Append(text.Length > 0 ? "; " : "").Append(line);
                return text.ToString();
            }
        }

        public void Add(LLamaLogLevel level, string line)
        {
            var lines = level == LLamaLogLevel.Error ? _errors : _warnings;
            if (lines.Count < MostLines)
                lines.Add(line);
        }

        public void Dispose() => s_capture = outer;
    }

    private sealed class Subscription(ILogger logger) : IDisposable
    {
        public void Dispose()
        {
            lock (s_lock)
                s_loggers.Remove(logger);
        }
    }
}
