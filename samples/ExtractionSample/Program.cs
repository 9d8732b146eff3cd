// Reads records out of texts: the answer is held to the record's schema, so it always is one.
//
//   extraction-sample MODEL.gguf [TEXT ...]
using Hearth.Extensions.AI;
using Microsoft.Extensions.AI;

if (args.Length == 0)
{
    Console.Error.WriteLine("usage: extraction-sample MODEL.gguf [TEXT ...]");
    return 2;
}

string[] texts = args.Length > 1 ? args[1..] : ["Maria lives in Zagreb and is 34 years old.", "I am Tom, 8, from Oslo."];
using var client = new HearthChatClient(new HearthClientOptions { ModelPath = args[0] });
foreach (var text in texts)
{
    var answer = await client.GetResponseAsync<Person>($"Who is this? {text}", new ChatOptions { Temperature = 0, MaxOutputTokens = 100 });
    Console.WriteLine(answer.TryGetResult(out var person) ? $"{text} -> {person.Name}, {person.Age}, {person.Home}" : $"{text} -> cut by the token limit: {answer.Text}");
}

return 0;

/// <summary>What is looked for, and nothing else.</summary>
/// <param name="Name">First name.</param>
/// <param name="Age">In years.</param>
/// <param name="Home">Where the person lives.</param>
[System.Text.Json.Serialization.JsonUnmappedMemberHandling(System.Text.Json.Serialization.JsonUnmappedMemberHandling.Disallow)]
internal sealed record Person(string Name, int Age, Home Home);

/// <summary>Cities that are known.</summary>
[System.Text.Json.Serialization.JsonConverter(typeof(System.Text.Json.Serialization.JsonStringEnumConverter<Home>))]
internal enum Home
{
    Elsewhere,
    Oslo,
    Zagreb,
}
