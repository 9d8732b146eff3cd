using Hearth.Runtime.Gguf;

namespace Hearth.Host.CommandLine;

/// <summary>Shows on a terminal how far writing a model has come.</summary>
/// <param name="error">The terminal.</param>
/// <param name="action">What is being done, for instance <c>writing</c>.</param>
internal sealed class ByteProgress(TextWriter error, string action) : IProgress<GgufProgress>
{
    private long _shown = -1;

    public void Report(GgufProgress value)
    {
        var percent = 100 * value.BytesWritten / Math.Max(1, value.BytesTotal);
        if (percent != _shown)
        {
            error.Write($"\r{action}: {percent,3} %");
            _shown = percent;
        }
    }

    public void Clear() => error.Write("\r\u001b[K");
}
