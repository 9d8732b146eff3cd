using System.Collections.Concurrent;

namespace Hearth.Extensions.AI.Tests;

/// <summary>Models that say what a test wants said.</summary>
internal static class Script
{
    /// <summary>Answers its requests one after the other, five characters a token; and "done" after the last.</summary>
    public static FakeLanguageModel Model(params string[] answers)
    {
        var queue = new ConcurrentQueue<string>(answers);
        return new FakeLanguageModel { CachedTokens = 2, Reply = _ => Pieces(queue.TryDequeue(out var answer) ? answer : "done") };
    }

    public static HearthChatClient Client(params string[] answers) => new(Model(answers));

    /// <summary>A call as a model writes it.</summary>
    public static string Call(string name, string arguments) => $"<tool_call>\n{{\"name\": \"{name}\", \"arguments\": {arguments}}}\n</tool_call>";

    public static IEnumerable<string> Pieces(string text) => text.Chunk(5).Select(piece => new string(piece));
}
