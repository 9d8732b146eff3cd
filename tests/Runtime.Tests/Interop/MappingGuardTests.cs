using Hearth.Runtime.Gguf;
using Hearth.Runtime.Graphs;
using Hearth.Runtime.Interop;
using Hearth.Runtime.Tests.Support;

namespace Hearth.Runtime.Tests.Interop;

/// <summary>A model's file that another process cuts short while it is read.</summary>
public sealed class MappingGuardTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_file_cut_while_it_is_loaded_is_an_error_and_not_the_end_of_the_process()
    {
        var path = _folder.File("cut.gguf");
        File.Copy(ReferenceModels.File("llama-gqa-base"), path);
        var whole = new FileInfo(path).Length;
        using var file = GgufFile.Open(path);
        var cut = new Cutting(() => Cut(path, whole / 2));

        var error = await Assert.ThrowsAsync<ModelFormatException>(() => LanguageModel.LoadAsync(file, progress: cut, cancellationToken: TestContext.Current.CancellationToken));

        Assert.Contains($"it had {whole} bytes, now {whole / 2}", error.Message, StringComparison.Ordinal);
        Assert.Equal(path, error.File);
    }

    [Fact]
    public void A_file_that_stays_as_it_is_passes()
    {
        using var file = GgufFile.Open(ReferenceModels.File("llama-gqa-base"));
        using var guard = MappingGuard.Over(file);
        Assert.NotEqual(0, file.Tensors[0].Bytes().Length);
        guard.ThrowIfLost();
    }

    [Fact]
    public void Bytes_in_memory_need_no_guard()
    {
        using var file = GgufFile.Read(ReferenceModels.Rebuild("llama-gqa-base"));
        using var guard = MappingGuard.Over(file);
        guard.ThrowIfLost();
    }

    private static void Cut(string path, long length)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        stream.SetLength(length);
    }

    // Told after each weight; the first is the moment.
    private sealed class Cutting(Action cut) : IProgress<LoadProgress>
    {
        private Action? _cut = cut;

        public void Report(LoadProgress value)
        {
            if (value.BytesDone == 0)
                Interlocked.Exchange(ref _cut, null)?.Invoke();
        }
    }
}
