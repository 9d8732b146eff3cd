using Hearth.Runtime.Gguf;

namespace Hearth.Host.CommandLine;

/// <summary>How far writing a file has come, in whole percents on one line.</summary>
internal sealed class WriteProgress(TextWriter error) : IProgress<GgufProgress>
{
    private long _shown = -1;

    public void Report(GgufProgress value)
    {
        var percent = 100 * value.BytesWritten / Math.Max(1, value.BytesTotal);
        if (Interlocked.Exchange(ref _shown, percent) != percent)
        {
            error.Write($"\rwriting: {percent,3} %");
        }
    }

    public void Clear() => error.Write("\r\u001b[K");
}
